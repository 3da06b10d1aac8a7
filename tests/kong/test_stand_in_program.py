"""The stand-in as a program: its command line, the plugin servers that it starts, and what it says when it can't."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import http1
from harness.process import until
from harness.upstream import Upstream

INFO: dict[str, Any] = {
    "Protocol": "ProtoBuf:1",
    "Plugins": [
        {
            "Name": "probe",
            "Version": "1.0.0",
            "Priority": 10,
            "Phases": ["access"],
            "Schema": {"name": "probe", "fields": [{"config": {"type": "record", "fields": []}}]},
        }
    ],
}
# Starts, notes its process id and, at SIGTERM, that it was told to go; nobody can connect to it.
START = """
    import os, signal, sys, time
    def leave(*_):
        open(sys.argv[1], "a").write("term\\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
    while True:
        time.sleep(60)
"""


class Program:
    """The folder that it runs in, with its files."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        script = folder / "start.py"
        script.write_text(textwrap.dedent(START))
        (folder / "info.json").write_text(json.dumps(INFO))
        self.yml = folder / "kong.yml"
        self.conf = folder / "kong.conf"
        self.configure(f"http://127.0.0.1:{port}")
        self.conf.write_text(
            f"plugins = bundled,probe\npluginserver_names = probe\n"
            f"pluginserver_probe_socket = {folder}/s\n"
            f"pluginserver_probe_query_cmd = cat {folder}/info.json\n"
            f"pluginserver_probe_start_cmd = {sys.executable} {script} {self.notes}\n"
        )

    def configure(self, url: str, plugin: str = "pre-function", config: str = '{access: ["local x = 1"]}') -> None:
        route = "{name: r, paths: [/r]}"
        plugins = f"[{{name: {plugin}, config: {config}}}]"
        service = f"{{name: s, url: {url}, routes: [{route}]}}"
        self.yml.write_text(f'_format_version: "3.0"\nservices: [{service}]\nplugins: {plugins}\n')

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "outrider_kong.stand_in", str(self.yml), "--conf", str(self.conf)]

    def noted(self) -> list[str]:
        return self.notes.read_text().split() if self.notes.exists() else []

    def fails(self, *more: str) -> tuple[int, str]:
        """The exit code and what it said."""
        ended = subprocess.run([*self.command, *more], capture_output=True, text=True, timeout=30, check=False)
        return ended.returncode, ended.stderr


@pytest.fixture
def program(folder: Path, upstream: Upstream) -> Program:
    return Program(folder, upstream.port)


@pytest.fixture
def running(program: Program) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [*program.command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("Kong stand-in (this is no Kong) listening on 127.0.0.1:")
        yield process, int(line.rpartition(":")[2])
        process.terminate()


def test_it_serves_and_keeps_the_plugin_server_running_until_it_is_told_to_stop(
    program: Program, running: tuple[subprocess.Popen[str], int]
) -> None:
    process, port = running
    assert http1.request(port, "/r").status == 200
    [first] = until(program.noted)
    os.kill(int(first), signal.SIGKILL)
    until(lambda: len(program.noted()) == 2)
    second = program.noted()[1]
    assert second != first
    process.terminate()
    assert process.wait(30) == 0
    assert program.noted() == [first, second, "term"]


def test_sighup_takes_a_new_kong_yml_over_and_leaves_the_old_one_where_it_is_wrong(
    program: Program, running: tuple[subprocess.Popen[str], int], upstream: Upstream
) -> None:
    process, port = running
    program.configure("http://a", plugin="nope", config="{}")
    process.send_signal(signal.SIGHUP)
    assert http1.request(port, "/r").status == 200
    program.configure(f"http://127.0.0.1:{upstream.port}", plugin="request-termination", config="{status_code: 418}")
    process.send_signal(signal.SIGHUP)
    assert until(lambda: http1.request(port, "/r").status == 418)


def test_every_mistake_is_a_sentence_and_the_exit_code_is_1(program: Program) -> None:
    program.configure("http://a", plugin="acl", config="{allow: 1, x: 2}")
    code, said = program.fails()
    assert code == 1
    assert said.splitlines() == [
        "stand-in: kong.yml: plugin acl: config.allow: expected an array, not 1.",
        "stand-in: kong.yml: plugin acl: config.x: unknown field.",
    ]


def test_a_query_command_that_prints_no_json_is_refused(program: Program) -> None:
    (program.folder / "info.json").write_text("warning: x\n{}")
    code, said = program.fails()
    assert code == 1
    assert "printed no JSON, but b'warning: x\\n{}'" in said


def test_a_missing_file_is_a_sentence(program: Program) -> None:
    program.yml.unlink()
    assert program.fails() == (1, f"stand-in: {program.yml}: No such file or directory.\n")


def test_a_port_that_is_taken_is_a_sentence_and_the_exit_code_is_3(program: Program, upstream: Upstream) -> None:
    code, said = program.fails("--listen", f"127.0.0.1:{upstream.port}")
    assert code == 3
    assert said.splitlines()[-1].startswith(f"stand-in: 127.0.0.1:{upstream.port}: ")
    assert program.noted() == []


def test_what_is_not_installed_is_a_sentence_that_names_the_extra(program: Program) -> None:
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'lupa' else real(name, *more)\n"
        "from outrider_kong.stand_in.__main__ import main; sys.exit(main(['kong.yml']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "stand-in: the Kong stand-in needs lupa: pip install 'outrider[stand-in]'.\n"


def test_its_help_says_that_it_is_no_kong() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "outrider_kong.stand_in", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "It is no Kong" in " ".join(help_text.split())
