"""What Kong is told of a plugin: by the library, and by the command that Kong runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.outrider import COMMAND
from outrider import LogRecord, Plugin, Request, Response, discovery
from outrider.errors import OutriderError
from outrider_kong.info import info
from outrider_kong.names import CHAINS, chain_for

ROOT = Path(__file__).parents[2]
INSTALLED = discovery.installed()


class Everything(Plugin):
    """Runs in every phase."""

    def on_request_body(self, request: Request, body: bytes, /) -> None: ...

    def on_response(self, request: Request, response: Response, /) -> None: ...

    def on_log(self, request: Request, log: LogRecord, /) -> None: ...


class Listener(Plugin):
    """Hears the end."""

    def on_log(self, request: Request, log: LogRecord, /) -> None: ...


@pytest.mark.parametrize("name", [*CHAINS, "outrider-key-auth"])
def test_kong_is_told_all_that_it_asks_for(name: str) -> None:
    told = info(name, INSTALLED)
    assert told["Protocol"] == "ProtoBuf:1"
    (plugin,) = told["Plugins"]
    assert plugin.keys() == {"Name", "Phases", "Version", "Priority", "Schema"}
    assert plugin["Name"] == plugin["Schema"]["name"] == name
    assert [len(part) > 0 for part in plugin["Version"].split(".")] == [True, True, True]


@pytest.mark.parametrize(("name", "phases"), CHAINS.items())
def test_a_chain_has_its_phases_and_runs_before_kongs_own_authentication(name: str, phases: tuple[str, ...]) -> None:
    (plugin,) = info(name, INSTALLED)["Plugins"]
    assert (plugin["Phases"], plugin["Priority"]) == (list(phases), 3000)


@pytest.mark.parametrize(
    ("cls", "phases"), [(INSTALLED["key-auth"], ["access"]), (Listener, ["access", "log"]),
                        (Everything, ["access", "response", "log"])]
)  # fmt: skip
def test_a_plugin_by_itself_has_the_phases_of_its_hooks(cls: type[Plugin], phases: list[str]) -> None:
    (plugin,) = info("outrider-sample", {"sample": cls})["Plugins"]
    assert (plugin["Phases"], plugin["Priority"]) == (phases, cls.priority)


@pytest.mark.parametrize(
    ("hooks", "chain"),
    [
        ({"on_request"}, "outrider-chain"),
        ({"on_request_body"}, "outrider-chain"),
        ({"on_log"}, "outrider-chain-log"),
        ({"on_request", "on_response"}, "outrider-chain-response"),
        ({"on_response_body", "on_log"}, "outrider-chain-response"),
    ],
)
def test_a_route_gets_the_chain_with_the_fewest_phases(hooks: set[str], chain: str) -> None:
    assert chain_for(hooks) == chain  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["key-auth", "outrider-nope", "outrider-", "chain", ""])
def test_a_name_that_is_none_is_answered_with_all_that_are(name: str) -> None:
    with pytest.raises(OutriderError, match=r"the names are outrider-chain, .* outrider-tracing"):
        info(name, INSTALLED)


def asked(file: Path, name: str) -> "subprocess.CompletedProcess[str]":
    """What the shell that Kong starts prints."""
    command = [COMMAND, "render", "kong", str(file), "--info", name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a plugin of its own, which says something when it is imported."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "loud.py").write_text(
        "from outrider import Plugin\n"
        "print('loud')\n"
        "class Loud(Plugin):\n"
        "    word: str\n"
        "    def on_request(self, request): ...\n"
    )
    found = tmp_path / "outrider.yaml"
    found.write_text('_format_version: "3.0"\ngateway: {plugin_dirs: [plugins]}\n')
    return found


def test_the_command_prints_nothing_but_json(file: Path) -> None:
    done = asked(file, "outrider-loud")
    assert (done.returncode, done.stderr) == (0, "loud\n")
    assert json.loads(done.stdout)["Plugins"][0]["Name"] == "outrider-loud"
    chain = json.loads(asked(file, "outrider-chain").stdout)["Plugins"][0]["Schema"]
    (config,) = (field["config"] for field in chain["fields"] if "config" in field)
    elements = config["fields"][1]["plugins"]["elements"]["fields"]
    assert "loud" in [name for element in elements for name in element]


def test_of_the_file_only_the_plugin_dirs_matter(file: Path) -> None:
    file.write_text(file.read_text() + "services: [{name: a, plugins: [{name: nope}]}]\n")
    assert asked(file, "outrider-loud").returncode == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "file: is not YAML"),
        ("gateway: {plugin_dirs: [nowhere]}", "nowhere"),
        ("gateway: {plugin_dirs: 5}", "gateway.plugin_dirs: 5 is no list"),
        ("gateway: {plugin_dirs: .}", 'gateway.plugin_dirs: "." is no list'),
        ("gateway: [1]", "gateway"),
        ("", "is empty"),
        ("text", "file: text is no mapping"),
    ],
)
def test_a_file_that_can_not_be_read_prints_a_sentence_and_no_json(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    done = asked(file, "outrider-chain")
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_name_or_file_prints_no_json(file: Path) -> None:
    for done in (asked(file, "outrider-nope"), asked(file.parent / "absent.yaml", "outrider-chain")):
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) in (1, 2)


def imported_for(name: str) -> set[str]:
    """The modules that the command has when it has told of `name`."""
    code = "import sys; from outrider_cli.main import main; main(standalone_mode=False); print(*sys.modules)"
    file = ROOT / "examples" / "outrider.yaml"
    command = [sys.executable, "-c", code, "render", "kong", str(file), "--info", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", ["outrider-chain-response", "outrider-key-auth"])
def test_kong_waits_for_nothing_that_only_a_server_needs(name: str) -> None:
    servers = {"grpc", "uvloop", "opentelemetry", "outrider.config", "outrider.compiling", "outrider_cli.supervisor"}
    assert not imported_for(name) & {*servers, "outrider_envoy", "outrider_kong.server", "outrider_kong.proto"}


def test_kong_waits_for_no_plugin_but_the_one_that_it_asks_for() -> None:
    modules = imported_for("outrider-key-auth")
    expected = {
        f"outrider_plugins.{name}" for name in ("key_auth", "placed_auth", "credential_source", "hashed_secrets")
    }
    assert {one for one in modules if one.startswith("outrider_plugins.")} == expected
    assert not modules & {"jwt", "cryptography"}
