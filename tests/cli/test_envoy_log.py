"""Envoy's own lines have the form of ours."""

import json
import re
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from outrider.config import Gateway
from outrider.config.gateway import Log
from outrider.errors import OutriderError
from outrider_cli.envoy import command, find_envoy


def first_line(folder: Path, form: Literal["auto", "text", "json"]) -> str:
    """What Envoy says of a bootstrap that is none."""
    (folder / "envoy.json").write_text('{"nothing": "like \\"it\\""}')
    try:
        find_envoy()
    except OutriderError as error:
        pytest.skip(str(error))
    words = command(folder / "envoy.json", Gateway(log=Log(format=form)))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return next(line for line in done.stderr.splitlines() if "envoy." in line)


def test_text_is_a_line_for_a_person(tmp_path: Path) -> None:
    assert re.match(r"\d\d:\d\d:\d\d \w+ +envoy\.\w+: ", first_line(tmp_path, "text"))


@pytest.mark.parametrize("form", ["json", "auto"])
def test_elsewhere_than_on_a_terminal_it_is_json(tmp_path: Path, form: Literal["auto", "json"]) -> None:
    assert json.loads(first_line(tmp_path, form)).keys() == {"time", "level", "logger", "message"}
