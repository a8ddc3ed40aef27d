"""Notebooks and data frames: with the extra `notebook`, a kernel executes what people see there.

VARPROBE_NOTEBOOK_REQUIRED makes it a failure that the extra is not installed, as it is in `.ci/run`.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import varprobe

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "configs/tour.ipynb"
MISSING = [name for name in ("ipykernel", "nbclient", "pandas") if importlib.util.find_spec(name) is None]

if MISSING and not os.environ.get("VARPROBE_NOTEBOOK_REQUIRED"):
    reason = f"{' and '.join(MISSING)} missing, NOTEBOOKS NOT TESTED; pip install -e '.[notebook]'"
    pytest.skip(reason, allow_module_level=True)

# Kernels speak through sockets, and leave their closing to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NETWORK: dict[str, Any] = {
    "name": "=net",
    "input": {"features": 12},
    "layers": [{"dense": 12, "repeat": 5, "name": "null"}],
    "probe": {"trials": 3, "batch": 8},
}


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook, executed where it stands, with what its cells showed."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(TOUR, as_version=4)
    kernel = {"env": {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython"))}}
    folder = {"metadata": {"path": str(TOUR.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute(**kernel)
    return notebook


def outputs(tour: Any) -> list[tuple[str, dict[str, Any]]]:
    """The source of each cell that shows something, and what it shows by its type."""
    return [
        (cell.source, dict(output.data))
        for cell in tour.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]


def test_the_tour_is_stored_without_what_it_shows() -> None:
    import nbformat

    stored = nbformat.read(TOUR, as_version=4)
    nbformat.validate(stored)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in stored.cells if cell.cell_type == "code")


def test_every_cell_of_the_tour_runs_and_says_nothing_on_standard_error(tour: Any) -> None:
    streams = [o for cell in tour.cells if cell.cell_type == "code" for o in cell.outputs if o.output_type == "stream"]
    assert [one.text for one in streams if one.name == "stderr"] == []


def test_a_result_is_a_page_in_a_small_sandboxed_frame_and_text_for_those_without(tour: Any) -> None:
    pages = [(source, data) for source, data in outputs(tour) if "<iframe" in data.get("text/html", "")]
    assert len(pages) >= 3
    for source, data in pages:
        assert len(data["text/html"].encode()) <= 200_000, source
        assert 'sandbox="allow-scripts"' in data["text/html"], source
        assert len(data["text/plain"].splitlines()) <= 10, source


def test_a_plot_is_a_picture(tour: Any) -> None:
    pictures = [data for source, data in outputs(tour) if ".plot(" in source]
    assert pictures
    assert all(len(data["image/png"]) > 10_000 for data in pictures)


def test_a_frame_is_a_table(tour: Any) -> None:
    frames = [data for source, data in outputs(tour) if "to_frame" in source]
    assert frames
    assert all('class="dataframe"' in data["text/html"] for data in frames)


def test_the_tour_uses_what_there_is(tour: Any) -> None:
    code = "\n".join(cell.source for cell in tour.cells if cell.cell_type == "code")
    for function in ("run", "predict", "check", "compare", "sweep", "tune", "load", "show"):
        assert f"varprobe.{function}(" in code, function
    for method in ("summary", "plot", "save", "to_frame"):
        assert f".{method}(" in code, method


# --- data frames ----------------------------------------------------------------------------------------------------


def test_the_frame_of_a_report_has_a_row_a_layer_and_its_exact_numbers() -> None:
    report = varprobe.run(NETWORK)
    frame = report.to_frame()
    assert list(frame["index"]) == [1, 2, 3, 4, 5]
    assert list(frame["name"]) == ["null"] * 5
    assert list(frame["activation.variance.mean"]) == [row.activation.variance.mean for row in report.layers]
    assert math.isnan(frame["line"][0])


def test_the_frames_of_networks_and_points_have_a_row_each() -> None:
    compared = varprobe.compare(NETWORK, {**NETWORK, "name": "null"}).to_frame()
    assert list(compared["name"]) == ["=net", "null"]
    with ThreadPoolExecutor(1) as executor:
        swept = varprobe.sweep(NETWORK, {"defaults.init.gain": [0.5, 2]}, executor=executor).to_frame()
    assert list(swept["defaults.init.gain"]) == [0.5, 2.0]
    assert {"forward.total_log10", "backward.label"} <= set(swept.columns)


def test_the_frames_of_a_check_and_of_a_tuning_have_a_row_a_decision_and_a_change() -> None:
    checked = varprobe.check(NETWORK, init="small", max_trials=3).to_frame()
    assert list(checked["expectation"]) == ["forward", "backward", "findings"]
    tuned = varprobe.tune(NETWORK, init="small").to_frame()
    assert len(tuned) == 5
    assert (tuned["factor"] > 10).all()


def test_the_guide_names_the_extra_and_the_notebook() -> None:
    guide = (ROOT / "varprobe/guide/python.md").read_text()
    assert re.search(r"configs/tour\.ipynb", guide)
    assert "varprobe[notebook]" in guide
