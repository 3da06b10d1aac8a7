"""The `outrider` command as a person types it: exit codes, sentences on standard error, never a traceback."""

import json
import re
import socket
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.outrider import Config, free_port, outrider, plugin, service
from harness.sample import CONSUMERS, PLUGINS

WRONG_INPUT, WRONG_COMMAND, NOT_STARTED = 1, 2, 3
BUNDLED = [
    "acl",
    "basic-auth",
    "concurrency-limit",
    "correlation-id",
    "cors",
    "introspection-auth",
    "ip-restriction",
    "jwt-auth",
    "key-auth",
    "mtls-auth",
    "openapi-validation",
    "policy",
    "rate-limit",
    "request-size-limit",
    "request-termination",
    "request-transform",
    "response-transform",
    "signature-auth",
    "tracing",
]
WriteFile = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Writes a configuration that is good but for what the test puts into it."""

    def written(*services: Config, **gateway: Any) -> Path:
        usual = {"listen": f"127.0.0.1:{free_port()}", "metrics": f"127.0.0.1:{free_port()}", "workers": 1}
        config = {
            "_format_version": "3.0",
            "gateway": {"plugin_dirs": [PLUGINS], **usual, **gateway},
            "services": list(services) or [service("orders", 9001, plugin("key-auth"))],
            "consumers": CONSUMERS,
        }
        file = tmp_path / "outrider.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        return file

    return written


def assert_fails(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> list[str]:
    """The lines on standard error, none of them from a traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("command", [["run"], ["check"], ["serve", "envoy"], ["render", "envoy"]], ids=" ".join)
def test_a_missing_file_is_one_sentence(command: list[str], tmp_path: Path) -> None:
    lines = assert_fails(outrider(*command, tmp_path / "missing.yaml"), WRONG_INPUT, "missing.yaml")
    assert len(lines) == 1


@pytest.mark.parametrize("command", ["run", "check"])
def test_every_mistake_of_a_file_has_a_line_of_its_own(command: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(
        '_format_version: "3.0"\n'
        "services:\n"
        "  - name: orders\n"
        "    url: ftp://127.0.0.1\n"
        "    routes: [{name: orders, paths: [orders]}]\n"
        "    plugins:\n"
        "      - name: key-oth\n"
        "      - name: rate-limit\n"
        "        config: {limit: 0, window: 60}\n"
    )
    lines = assert_fails(outrider(command, file), WRONG_INPUT)
    found = [re.fullmatch(r"(.+):(\d+): .+: .+", line) for line in lines]
    assert [(match[1], int(match[2])) for match in found if match] == [(str(file), row) for row in (4, 5, 7, 9)]
    assert len(found) == 4


def test_a_good_file_is_0_and_says_what_is_in_it(write: WriteFile) -> None:
    done = outrider("check", write())
    assert (done.returncode, done.stderr) == (0, "")
    assert "no mistakes" in done.stdout


def test_what_ext_authz_can_not_do_is_refused_with_file_and_line(write: WriteFile) -> None:
    names = ["response-script", "response-body", "response-transform", "request-size-limit"]
    plugins = [*map(plugin, names[:-1]), plugin(names[-1], limit=1)]
    file = write(service("orders", 9001, *plugins), protocol="ext_authz")
    rows = file.read_text().splitlines()
    messages = assert_fails(outrider("check", file), WRONG_INPUT, *names, "ext_authz")
    assert [message.split(": ")[0] for message in messages] == [
        f"{file}:{1 + rows.index(f'  - name: {name}')}" for name in names
    ]


def test_on_error_continue_on_a_plugin_that_refuses_is_worth_a_warning(write: WriteFile) -> None:
    done = outrider("check", write(service("orders", 9001, plugin("key-auth", on_error="continue"))))
    assert done.returncode == 0
    assert "on_error" in done.stderr


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def broken(:\n", ["broken.py", "line 1"]),
        ("import nowhere_to_be_found\n", ["broken.py", "line 1", "nowhere_to_be_found"]),
        ("from outrider import Plugin\n\nclass Broken(Plugin):\n    def on_reqest(self, r): ...\n", ["on_request"]),
    ],
)
def test_a_plugin_file_that_is_broken_is_wrong_input(
    write: WriteFile, tmp_path: Path, source: str, words: list[str]
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "broken.py").write_text(source)
    assert_fails(outrider("check", write(plugin_dirs=["own"])), WRONG_INPUT, *words)


@pytest.mark.parametrize("which", ["listen", "metrics"])
def test_a_port_in_use_does_not_start(write: WriteFile, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lines = assert_fails(outrider("run", write(**{which: address})), NOT_STARTED, address)
    assert lines[-1].startswith("outrider: ")


def test_a_worker_port_in_use_does_not_start(write: WriteFile) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lines = assert_fails(outrider("serve", "envoy", write(), "--listen", address), NOT_STARTED, address)
    assert len(lines) == 2  # the worker's own, and what came of it


def test_a_temporary_folder_with_a_long_path_does_not_start(
    write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    assert len(assert_fails(outrider("run", write()), NOT_STARTED, "TMPDIR")) == 1


def test_a_plugin_that_can_not_start_does_not_start(write: WriteFile, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "needy.py").write_text(
        "from outrider import Plugin, StartError\n"
        "class Needy(Plugin):\n"
        "    async def start(self, runtime):\n"
        "        raise StartError('there is no database')\n"
        "    def on_request(self, request): ...\n"
    )
    file = write(service("orders", 9001, plugin("needy")), plugin_dirs=["own"])
    assert_fails(outrider("run", file), NOT_STARTED, "needy", "there is no database")


@pytest.mark.parametrize(
    "command",
    [["frobnicate"], ["run"], ["check", "--frobnicate", "x"], ["serve", "nginx", "x"], ["plugins", "no"]],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2(command: list[str]) -> None:
    assert_fails(outrider(*command), WRONG_COMMAND)


@pytest.mark.parametrize("address", ["0.0.0.0:9191", "unix:relative"])
def test_workers_listen_nowhere_but_on_this_machine(write: WriteFile, address: str) -> None:
    assert_fails(outrider("serve", "envoy", write(), "--listen", address), WRONG_COMMAND, address)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["run"],
        ["serve"],
        ["serve", "envoy"],
        ["render"],
        ["render", "envoy"],
        ["check"],
        ["plugins"],
        ["schema"],
        ["new"],
    ],
    ids=lambda command: " ".join(command) or "outrider",
)
def test_the_help_of_every_command_has_an_example(command: list[str]) -> None:
    done = outrider(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"Example:\s+outrider {' '.join(command)}", done.stdout)


def test_the_version_is_that_of_the_package() -> None:
    assert outrider("--version").stdout == f"outrider {version('outrider')}\n"


def test_the_plugins_are_listed_in_the_order_in_which_they_run() -> None:
    rows = [line.split()[:2] for line in outrider("plugins").stdout.splitlines()]
    assert sorted(name for _, name in rows) == BUNDLED
    priorities = [int(priority) for priority, _ in rows]
    assert priorities == sorted(priorities, reverse=True)


@pytest.mark.parametrize("name", ["key-auth", "rate-limit"])
def test_a_plugin_tells_its_fields_phases_and_priority(name: str) -> None:
    text = outrider("plugins", name).stdout
    assert text.startswith(f"{name}: ")
    assert re.search(r"priority \d+; phases on_\w+", text)
    assert re.search(r"^  on_error \(default deny\): ", text, re.MULTILINE)


def test_the_schema_is_a_json_schema_that_knows_every_plugin() -> None:
    schema = json.loads(outrider("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"_format_version", "gateway", "services", "consumers", "plugins"} <= schema["properties"].keys()
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(schema)))
    assert references <= schema["$defs"].keys()
    assert all(f'"{name}"' in json.dumps(schema) for name in BUNDLED)
