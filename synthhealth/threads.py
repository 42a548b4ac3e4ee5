"""One thread for numeric libraries: a fit is many small products, which threads slow down where cores are busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread(*, torch_too: bool) -> Iterator[None]:
    """Linear algebra in one thread for the length of a `with` block, torch's own as well if `torch_too`."""
    with threadpool_limits(limits=1):
        if not torch_too:
            yield
            return
        import torch  # engines that do without it are not made to wait for it

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
