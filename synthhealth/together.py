"""A fit in several processes: which one this is, and what the others do while the first one leads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def assisted() -> bool:
    """Whether this is one of the other processes that `torchrun` has started for a fit; if so, its part is done then.

    Privacy: internal only; it is dealt patients by the first process, and keeps nothing.
    """
    if os.environ.get("RANK", "0") == "0":
        return False
    from synthhealth.generators.dpsgd.learning import assist

    assist()
    return True


@contextmanager
def leading() -> Iterator[None]:
    """Lead the other processes of a fit, where `torchrun` has started any."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    from synthhealth.generators import crew

    with crew.leading():
        yield
