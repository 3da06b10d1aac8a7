"""The page that `make bench` writes: from raw figures, without a run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "performance"
SVG = "{http://www.w3.org/2000/svg}"

Figures = dict[str, Any]


def bench(folder: Path, *arguments: str, path: str = os.environ["PATH"]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--folder", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support"), "PATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, figures: Figures) -> str:
    """The page of these figures."""
    (folder / "performance").mkdir()
    (folder / "performance" / "figures.json").write_text(json.dumps(figures))
    result = bench(folder, "--page")
    assert (result.returncode, result.stderr) == (0, "")
    return (folder / "performance.md").read_text()


@pytest.fixture
def figures() -> Figures:
    kept: Figures = json.loads((KEPT / "figures.json").read_text())
    return kept


def test_the_page_and_its_plots_are_what_the_kept_figures_say(tmp_path: Path, figures: Figures) -> None:
    assert written(tmp_path, figures) == (KEPT.parent / "performance.md").read_text()
    for plot in KEPT.glob("*.svg"):
        assert (tmp_path / "performance" / plot.name).read_text() == plot.read_text()


def test_each_table_of_the_figures_is_on_the_page_with_each_of_its_rows(tmp_path: Path, figures: Figures) -> None:
    page = written(tmp_path, figures)
    assert [row for table in figures["tables"].values() for row in table["rows"] if f"| {row} |" not in page] == []


def test_a_plot_has_a_bar_for_each_row(tmp_path: Path, figures: Figures) -> None:
    rows = figures["tables"]["straight"]["rows"]
    written(tmp_path, figures)
    plot = ET.parse(tmp_path / "performance" / "straight.svg").getroot()  # noqa: S314 - we wrote it
    texts = {text.text for text in plot.iter(f"{SVG}text")}
    assert texts >= rows.keys()
    # One more is the ground.
    assert len(list(plot.iter(f"{SVG}rect"))) == len(rows) + 1


def test_a_table_that_was_not_measured_says_why(tmp_path: Path, figures: Figures) -> None:
    figures["tables"] = {"through": {"missing": "wrk can't be found: install Debian's wrk."}}
    page = written(tmp_path, figures)
    assert "wrk can't be found: install Debian's wrk." in page
    assert "Not measured." in page
    assert "svg" not in page


def test_a_bar_holds_or_is_missed_by_the_ratios_of_the_rounds(tmp_path: Path, figures: Figures) -> None:
    rows = figures["tables"]["through"]["rows"]
    rows["native filters"]["rate 64"] = [100.0, 200.0, 300.0]
    rows["four plugins on engine"]["rate 64"] = [90.0, 180.0, 30.0]
    rows["native filters"]["envoy 64"] = [10.0, 10.0, 10.0]
    rows["four plugins on engine"]["envoy 64"] = [10.0, 13.0, 13.0]
    page = written(tmp_path, figures)
    assert "| at least 0.8 | 0.90 | holds |" in page
    assert "| at most 1.25 | 1.30 | **missed** |" in page


def test_a_load_generator_that_is_not_there_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    result = bench(tmp_path, "through", "straight", path=str(empty))
    assert result.returncode == 0
    for sentence in (
        "wrk can't be found: install Debian's wrk.",
        "h2load can't be found: install Debian's nghttp2-client.",
    ):
        assert sentence in result.stderr
        assert sentence in (tmp_path / "performance.md").read_text()


def test_a_table_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    result = bench(tmp_path, "thruogh")
    assert result.returncode == 2
    assert "there is no table thruogh: the tables are through, straight," in result.stderr


def test_the_figures_of_other_tables_stay(tmp_path: Path, figures: Figures) -> None:
    shutil.copytree(KEPT, tmp_path / "performance")
    (tmp_path / "bin").mkdir()
    bench(tmp_path, "through", path=str(tmp_path / "bin"))
    kept = json.loads((tmp_path / "performance" / "figures.json").read_text())["tables"]
    assert "missing" in kept.pop("through")
    figures["tables"].pop("through")
    assert kept == figures["tables"]
