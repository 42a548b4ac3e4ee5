"""Blocks of work that need nothing of each other: done here one after the other, or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:  # an optional package
    from distributed import Client

Result = TypeVar("Result")
Part = TypeVarTuple("Part")
_WORKERS: ContextVar[Client | None] = ContextVar("workers", default=None)


@contextmanager
def by_workers_of(client: Client) -> Iterator[None]:
    """Let a Dask cluster do what `spread` is given in the `with` block.

    Privacy: internal only; the workers see what the blocks are made of.
    """
    before = _WORKERS.set(client)
    try:
        yield
    finally:
        _WORKERS.reset(before)


def spread(work: Callable[[*Part], Result], parts: Iterable[tuple[*Part]]) -> list[Result]:
    """`work` of each of the parts, in their order; the same results wherever it is done.

    Privacy: as `work`; see `by_workers_of`.
    """
    client = _WORKERS.get()
    if client is None:
        return [work(*part) for part in parts]
    told: list[Result] = client.gather([client.submit(work, *part, pure=False) for part in parts])
    return told
