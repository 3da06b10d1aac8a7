"""`make demo-kong`: the demo's table behind the Kong stand-in, and what is left of it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.process import until

DEMO = Path(__file__).parents[2] / "examples" / "demo"


class Demo:
    """The demo in a process group of its own, with all its files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                # Whoever runs the tests in the background has them ignore Ctrl-C.
                ["/usr/bin/env", "--default-signal=INT", sys.executable, str(DEMO), "--kong"],
                stdout=output,
                stderr=output,
                env={**os.environ, "TMPDIR": str(folder)},
                process_group=0,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def left(self) -> list[str]:
        """The files, and the command lines of processes that name the folder."""
        found = [str(path) for path in self.folder.iterdir() if path != self._output]
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                found += [command for command in [file.read_text(errors="replace")] if str(self.folder) in command]
        return found


@pytest.fixture
def demo() -> Iterator[Demo]:
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        demo = Demo(Path(folder))
        yield demo
        if demo.process.poll() is None:
            os.killpg(demo.process.pid, signal.SIGKILL)
            demo.process.wait()


def test_every_row_is_as_it_should_be_behind_kong_and_the_first_line_says_that_it_is_none(demo: Demo) -> None:
    assert demo.process.wait(90) == 0, demo.output
    first, *_, last = demo.output.splitlines()
    assert "Kong stand-in" in first
    assert "is none" in first
    assert re.fullmatch(r"(\d\d) of \1 as they should be", last)
    assert demo.left() == []


@pytest.mark.parametrize("when", ["listening on", '"ready on'])
def test_a_ctrl_c_leaves_nothing(demo: Demo, when: str) -> None:
    until(lambda: when in demo.output, 60)
    assert demo.left()
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(60) == 130
    assert demo.left() == []
