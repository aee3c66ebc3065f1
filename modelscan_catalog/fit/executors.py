"""Where the matrix is computed: in this process, in several, or on a Dask cluster."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.fit.matrix_terms import Executor


@contextmanager
def matrix_executor(dask: str | None = None, processes: int = 1) -> Iterator[Executor | None]:
    """An executor for ``write_matrix``: a Dask scheduler's address wins over a number of processes.

    Raises ``SettingsError`` when Dask is not installed or its scheduler does not answer.
    """
    if dask is not None:
        try:
            from distributed import Client
        except ImportError as error:
            raise SettingsError("--dask: install the extra `modelscan-catalog[dask]` first") from error
        try:
            client = Client(dask, timeout="10s")  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"--dask {dask}: no scheduler answers there ({error})") from error
        with client:
            yield client
    elif processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            yield pool
    else:
        yield None
