"""Other machines for the blocks of sampling and of neighbour searches: a Dask cluster of the institution's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from evaluation.spread import by_workers_of
from privacy.errors import ConfigError, refusal
from synthhealth import __version__

if TYPE_CHECKING:  # an optional package
    from distributed import Client

LOCAL = "local"
_PATIENCE = 15.0  # seconds for a scheduler to answer


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Let a Dask cluster do the blocks for the length of a `with` block; here, one after the other, for None.

    `address` is a scheduler's, such as ``tcp://10.0.0.5:8786``, or `local` for workers on this machine. The
    results are those without it. Raises ConfigError where Dask is not installed, nobody answers at the address, or
    the workers have another version of this package.

    Privacy: internal only; attacks send real patients to the workers.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            refusal(
                what="--dask",
                must="find the package `distributed`",
                got="none",
                fix='pip install "synthhealth[dask]"',
            )
        ) from error
    try:
        client = (
            Client(threads_per_worker=1, dashboard_address=None)
            if address == LOCAL
            else Client(address, timeout=_PATIENCE)
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            refusal(
                what=f"--dask {address}",
                must="be the address of a Dask scheduler, or `local`",
                got="nobody who answers there",
                fix="start one with `dask scheduler`, and name the address that it prints",
            )
        ) from error
    with client, by_workers_of(client):
        _require_same_version(client)
        yield


def _require_same_version(client: Client) -> None:
    try:
        told = set(client.run(version, "synthhealth").values())
    except PackageNotFoundError:
        told = {"none"}
    if told != {__version__}:
        raise ConfigError(
            refusal(
                what="the workers of --dask",
                must=f"have synthhealth {__version__}, as here",
                got=", ".join(sorted(told)) if told else "no worker",
                fix=f"start workers where `pip install synthhealth=={__version__}` was run",
            )
        )
