"""Points on a Dask cluster, through the standard executor interface."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from varprobe.errors import Place, VarprobeError
from varprobe.version import __version__

_PATIENCE = "10s"


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """An executor whose calls run on the workers of the scheduler at `address`, such as `tcp://host:8786`.

    Raises:
        VarprobeError: where Dask is not installed, nobody answers, or workers have no varprobe of this version.
    """
    place = Place("--cluster")
    try:
        from distributed import Client
    except ImportError:
        hint = "pip install 'varprobe[cluster]'"
        raise VarprobeError("Dask is not installed", hint=hint, place=place) from None
    try:
        client = Client(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        hint = "give the address that `dask scheduler` prints, such as tcp://host:8786"
        raise VarprobeError(f"no scheduler answers at {address}: {error}", hint=hint, place=place) from None
    with client:
        _check_workers(client.run(_version_here, on_error="return"), place)
        yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]


def _version_here() -> str:
    return __version__


def _check_workers(found: dict[str, object], place: Place) -> None:
    if not found:
        raise VarprobeError("the cluster has no workers", hint="start some: dask worker ADDRESS", place=place)
    for worker, version in found.items():
        if version != __version__:
            shown = f"varprobe {version}" if isinstance(version, str) else "no varprobe"
            hint = "install the same version on every worker"
            raise VarprobeError(f"{worker} has {shown}, this is {__version__}", hint=hint, place=place)
