"""Every notebook runs on a built registry and ends with a picture."""

from pathlib import Path

import jupytext
import nbclient
import pytest

from modelscan_catalog.settings import REPOSITORY_ROOT

from .conftest import Built

NOTEBOOKS = sorted((REPOSITORY_ROOT / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# The kernel's client library warns of its own transport settings.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_prints_no_whole_table_and_ends_with_its_one_picture(
    path: Path, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert built.exit_code == 0, built.output
    monkeypatch.setenv("MODELSCAN_PUBLISHED", str(built.published))
    notebook = jupytext.read(path)
    nbclient.NotebookClient(notebook, timeout=180, kernel_name="python3").execute()
    outputs = [[*cell["outputs"]] for cell in notebook.cells if cell.cell_type == "code"]
    pictures = [sum("image/png" in one.get("data", {}) for one in cell) for cell in outputs]
    assert (pictures[-1], sum(pictures)) == (1, 1)
    told = [one.get("data", {}).get("text/plain", "") for cell in outputs for one in cell]
    assert max(map(len, told)) < 5_000, "a cell prints a whole table"


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS
