"""The notebook of the Python API runs, from its first cell to its last."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
NOTEBOOK = Path(__file__).parent.parent / "examples" / "transfer_learning.ipynb"


def read_notebook():
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def texts_of(cell):
    for output in cell.get("outputs", ()):
        yield output.get("text", "")
        yield output.get("data", {}).get("text/plain", "")


def run_notebook(book, folder):
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        book, timeout=600, kernel_name="python3", resources=resources
    )
    client.execute()
    return [
        "".join(texts_of(cell))
        for cell in book.cells
        if cell["cell_type"] == "code"
    ]


def test_every_cell_runs_and_runs_again(tmp_path):
    book = read_notebook()
    assert all(not cell.get("outputs") for cell in book.cells)  # as committed
    first = run_notebook(book, tmp_path)
    figures = [
        output
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(figures) == 2  # digits, curves
    errors = [
        output
        for cell in book.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stderr"
    ]
    assert not errors
    again = run_notebook(read_notebook(), tmp_path)
    assert again == first
