"""Tools are run within bounds; one that is absent or broken is named, and the next is tried."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_detect_tools import NVIDIA, XPU_LIST, XPU_ONE

from modelscan_catalog.deploy.detect import first_answers, nvidia_smi, xpu_smi
from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.detect.tool import Absent, Broken, Found, run_tool, system_memory_gib

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a shell script of a name on the path, on which nothing else but the system's tools is."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")

    def write(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


def test_a_tool_that_is_not_there_is_absent(install: Install) -> None:
    assert run_tool("no-such-smi", []) == Absent("no-such-smi is not installed")


def test_a_tool_that_fails_is_broken_with_its_last_words(install: Install) -> None:
    install("x-smi", "echo starting; echo driver mismatch >&2; exit 9")
    assert run_tool("x-smi", []) == Broken("x-smi: exit 9 (driver mismatch)")


def test_a_tool_that_hangs_is_ended_with_its_helpers(install: Install, tmp_path: Path) -> None:
    install("x-smi", f"sleep 60 & echo $! > {tmp_path}/helper; wait")
    started = time.monotonic()
    outcome = run_tool("x-smi", [], timeout_s=0.5)
    assert outcome == Broken("x-smi: no answer within 0.5 s")
    assert time.monotonic() - started < 10
    helper = int((tmp_path / "helper").read_text())
    state = Path(f"/proc/{helper}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_tool_that_talks_too_much_is_ended(install: Install) -> None:
    install("x-smi", "yes")
    outcome = run_tool("x-smi", [])
    assert isinstance(outcome, Broken)
    assert "MiB of output" in outcome.why


def test_a_file_that_is_no_program_is_broken(install: Install, tmp_path: Path) -> None:
    (tmp_path / "x-smi").write_bytes(b"\x7fELF nothing")
    (tmp_path / "x-smi").chmod(0o755)
    assert isinstance(run_tool("x-smi", []), Broken)


def test_the_next_tool_is_tried_and_the_broken_one_is_named() -> None:
    card = observed("0", "NVIDIA L4", vendor="nvidia")
    found = first_answers([(lambda: Broken("a: broke"), lambda: Absent("b"), lambda: Found((card,)))])
    assert found.gpus == (card,)
    assert found.problems == ("a: broke",)


def test_cards_of_several_vendors_are_all_found() -> None:
    one, two = observed("0", "NVIDIA L4"), observed("0", "AMD Instinct MI300X")
    found = first_answers([(lambda: Found((one,)),), (lambda: Found((two,)),)])
    assert [gpu.vendor for gpu in found.gpus] == ["nvidia", "amd"]


def test_no_gpu_says_why() -> None:
    found = first_answers([(lambda: Absent("no driver answers"),), (lambda: Absent("not installed"),)])
    assert (found.gpus, found.note, found.problems) == ((), "no driver answers", ())


def test_nvidia_smi_is_asked_again_without_what_an_old_driver_does_not_know(install: Install) -> None:
    row = NVIDIA.splitlines()[0].rpartition(",")[0]
    install(
        "nvidia-smi", f'case "$1" in *compute_cap*) echo "not a valid field"; exit 2;; esac\necho "{row}"'
    )
    outcome = nvidia_smi.look()
    assert isinstance(outcome, Found)
    assert [gpu.profile for gpu in outcome.gpus] == ["rtx-4090"]


def test_nvidia_smi_with_output_of_another_shape_is_broken(install: Install) -> None:
    install("nvidia-smi", "echo Failed to initialize NVML: Driver/library version mismatch")
    outcome = nvidia_smi.look()
    assert isinstance(outcome, Broken)
    assert outcome.why.startswith("nvidia-smi: its output is not understood")


def test_xpu_smi_asks_each_card_for_its_memory(install: Install) -> None:
    install("xpu-smi", f"if [ \"$2\" = -d ]; then echo '{XPU_ONE}'; else echo '{XPU_LIST}'; fi")
    outcome = xpu_smi.look()
    assert isinstance(outcome, Found)
    assert [round(gpu.total_gib or 0) for gpu in outcome.gpus] == [48]


def test_xpu_smi_that_tells_no_memory_still_tells_the_card(install: Install) -> None:
    install("xpu-smi", f"if [ \"$2\" = -d ]; then exit 1; else echo '{XPU_LIST}'; fi")
    outcome = xpu_smi.look()
    assert isinstance(outcome, Found)
    assert [gpu.profile for gpu in outcome.gpus] == ["max-1100"]
    assert outcome.problems == ("xpu-smi: exit 1",)


def test_system_memory_is_read_in_gib(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       125829120 kB\nMemFree: 1 kB\nMemAvailable:   62914560 kB\n")
    assert system_memory_gib(path) == (120.0, 60.0)
    assert system_memory_gib(tmp_path / "none") == (None, None)
