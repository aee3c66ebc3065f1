"""Executors of the matrix: chosen by setting, refused with a clear line."""

from concurrent.futures import ProcessPoolExecutor

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.fit.executors import matrix_executor


def test_one_process_needs_no_executor() -> None:
    with matrix_executor() as executor:
        assert executor is None


def test_several_processes_are_a_pool() -> None:
    with matrix_executor(processes=2) as executor:
        assert isinstance(executor, ProcessPoolExecutor)


def test_a_scheduler_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(SettingsError, match=r"--dask tcp://127\.0\.0\.1:9: no scheduler answers"),
        matrix_executor("tcp://127.0.0.1:9"),
    ):
        pass


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="--dask"), matrix_executor("nonsense://"):
        pass
