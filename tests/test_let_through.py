"""The plots of what each algorithm lets through are what the counters draw now."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRAWING = "PYTHONPATH=bench python bench/let_through.py docs/rate-limits"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    path = os.pathsep.join([str(ROOT / "bench"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(ROOT / "bench" / "let_through.py"), str(folder)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True, timeout=60)
    return folder


@pytest.mark.parametrize("name", ["together.svg", "lately.svg"])
def test_a_plot_is_what_the_counters_let_through(drawn: Path, name: str) -> None:
    kept = (ROOT / "docs" / "rate-limits" / name).read_text()
    assert (drawn / name).read_text() == kept, f"what passes has changed: draw it again by {DRAWING}"
    assert name in (ROOT / "docs" / "rate-limits.md").read_text()
