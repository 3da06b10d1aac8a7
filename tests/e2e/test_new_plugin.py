"""From `outrider new` to a plugin of one's own behind a real Envoy, as a person does it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.outrider import COMMAND, Outrider, outrider
from harness.upstream import Upstream
from outrider_cli.new import create

GUIDE = Path(__file__).parents[2] / "docs" / "guide-authors.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert outrider("new", "set-team", cwd=tmp_path).returncode == 0
    return tmp_path / "set-team"


def run(folder: Path, *command: str, env: Mapping[str, str] | None = None) -> str:
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_takes_the_steps_that_are_tested_here() -> None:
    first = GUIDE.read_text().partition("## A plugin\n")[0]
    assert re.findall(r"^    \$ (.+)$", first, re.MULTILINE) == [
        "pip install 'outrider[envoy]' pytest",
        "outrider new my-plugin",
        "cd my-plugin",
        "python -m pytest",
        "outrider check outrider.yaml",
        "outrider run outrider.yaml",
        "curl -i http://127.0.0.1:8080/orders",
    ]
    shown = re.findall(r"^<!-- file: (.+) -->$", first, re.MULTILINE)
    assert [Path(file).name for file in shown] == [
        *("plugin.py.txt", "test_my_plugin.py.txt", "test_behind_envoy.py.txt", "outrider.yaml.txt"),
    ]


def test_the_line_of_a_fault_in_the_guide_is_that_of_the_plugin(tmp_path: Path) -> None:
    create("my-plugin", tmp_path)
    [line] = re.findall(r"failed at plugin\.py:(\d+): KeyError", GUIDE.read_text())
    lines = (tmp_path / "my-plugin" / "my_plugin" / "plugin.py").read_text().splitlines()
    assert lines[int(line) - 1] == "        request.headers[self.header] = self.value"


def test_its_tests_pass_and_its_file_has_no_mistakes_before_anything_is_installed(folder: Path) -> None:
    assert "2 passed" in run(folder, sys.executable, "-m", "pytest")
    assert "no mistakes in 1 route and 1 plugin" in run(folder, COMMAND, "check", "outrider.yaml")


def test_its_file_is_a_gateway(folder: Path, upstream: Upstream) -> None:
    config: dict[str, Any] = yaml.safe_load((folder / "outrider.yaml").read_text())
    own = {key: value for key, value in config["gateway"].items() if key not in ("listen", "metrics")}
    config["services"][0]["url"] = f"http://127.0.0.1:{upstream.port}"
    with Outrider(folder, {**config, "gateway": own}) as gateway:
        assert gateway.ready().request("/orders").status == 200
    assert upstream.request.get("x-team") == "blue"


def test_its_package_is_found_by_the_plugins_name(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    run(folder, sys.executable, "-m", "pip", "install", *options, ".")
    installed = {"PYTHONPATH": str(target)}
    assert "header" in run(tmp_path, COMMAND, "plugins", "set-team", env=installed)
    file = folder / "outrider.yaml"
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "plugin_dirs" not in line))
    assert "1 plugin\n" in run(tmp_path, COMMAND, "check", str(file), env=installed)
