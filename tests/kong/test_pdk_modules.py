"""`outrider render kong --pdk`: modules for kong-pdk, its guard, and the lines that start it."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from harness.outrider import Config, plugin, service
from outrider.errors import OutriderError, StartError
from outrider_cli import kong_config, kong_info, kong_pdk_modules

KEYS = plugin("key-auth")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "outrider.yaml"
    services: list[Config] = [service("orders", 9001, KEYS), service("open", 9001)]
    path.write_text(yaml.safe_dump({"_format_version": "3.0", "services": services}))
    return path


def functions(kong_yml: str, name: str) -> dict[str, list[str]]:
    """The chunks of Lua of a function plugin, by phase."""
    (found,) = (one["config"] for one in yaml.safe_load(kong_yml)["plugins"] if one["name"] == name)
    chunks: dict[str, list[str]] = found
    return chunks


def test_a_module_is_written_for_each_name(file: Path, tmp_path: Path) -> None:
    kong_config.kong_conf(file, "unix:/run/o.sock", ["key-auth"], tmp_path / "new" / "pdk")
    assert {path.name for path in (tmp_path / "new" / "pdk").iterdir()} == {
        "outrider-chain.py",
        "outrider-key-auth.py",
    }


def test_only_routes_with_plugins_are_guarded(file: Path, tmp_path: Path) -> None:
    rendered = kong_config.kong_yml(file, tmp_path / "pdk")
    (guard,) = functions(rendered, "post-function")["access"]
    assert '["orders"] = "outrider-chain"' in guard
    assert '"open"' not in guard
    assert len(functions(rendered, "pre-function")["access"]) == 2
    assert len(functions(rendered, "post-function")["header_filter"]) == 1


def test_our_own_server_needs_no_guard(file: Path) -> None:
    rendered = kong_config.kong_yml(file)
    assert "access" not in functions(rendered, "post-function")
    assert "outrider_guard" not in rendered


def test_kong_starts_kong_pdk_and_asks_us_what_it_has(file: Path, tmp_path: Path) -> None:
    conf = kong_config.kong_conf(file, "unix:/run/o.sock", (), tmp_path / "pdk")
    lines = dict(line.split(" = ", 1) for line in conf.splitlines() if not line.startswith("#"))
    start = shlex.split(lines["pluginserver_outrider_chain_start_cmd"])
    assert Path(start[0]).name == "kong-python-pluginserver"
    assert start[1:] == [
        *("-g", "--plugins-directory", str(tmp_path / "pdk")),
        *("--kong-prefix", "/run", "--socket-name", "o.sock"),
    ]
    assert lines["pluginserver_outrider_chain_socket"] == "/run/o.sock"
    query = shlex.split(lines["pluginserver_outrider_chain_query_cmd"])
    assert query[-4:] == ["--info", "outrider-chain", "--pdk", str(tmp_path / "pdk")]


def test_kong_is_told_of_kong_pdks_protocol(file: Path) -> None:
    theirs = json.loads(kong_info.to_json(file, "outrider-chain", for_kong_pdk=True))
    ours = json.loads(kong_info.to_json(file, "outrider-chain"))
    assert (theirs["Protocol"], ours["Protocol"]) == ("MsgPack:1", "ProtoBuf:1")
    assert theirs["Plugins"] == ours["Plugins"]


def test_without_kong_pdk_it_is_said_what_to_install(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, object] = {}
    monkeypatch.setattr(kong_pdk_modules, "find_spec", found.get)
    with pytest.raises(OutriderError, match=r"outrider\[kong-pdk\]"):
        kong_config.kong_yml(file, tmp_path / "pdk")


def test_a_folder_that_cannot_be_written_is_named(file: Path, tmp_path: Path) -> None:
    (tmp_path / "pdk").write_text("a file")
    with pytest.raises(StartError, match="pdk can't be written"):
        kong_config.kong_yml(file, tmp_path / "pdk")
