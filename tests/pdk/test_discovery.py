"""Plugins in plain files, good and bad, and those that packages bring."""

import inspect
import os
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from outrider import Plugin, discovery
from outrider.errors import PluginError

GOOD = """
from outrider import Plugin, Request

class AddHeader(Plugin):
    name: str = "x-a"

    def on_request(self, request: Request) -> None:
        request.headers[self.name] = "1"
"""


def folder_with(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_plugin_is_named_after_its_class(tmp_path: Path) -> None:
    found = discovery.in_folder(folder_with(tmp_path, anything=GOOD))
    assert list(found) == ["add-header"]
    assert issubclass(found["add-header"], Plugin)


def test_one_file_can_hold_several(tmp_path: Path) -> None:
    text = GOOD + GOOD.replace("AddHeader", "Second").replace("from", "\nfrom")
    assert set(discovery.in_folder(folder_with(tmp_path, both=text))) == {"add-header", "second"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1",
        "from outrider import Plugin, Auth",
        "from outrider_plugins.key_auth import KeyAuth",
        "from outrider import Auth\nclass Base(Auth, abstract=True): ...",
        "from outrider import Plugin\nclass Base(Plugin, abstract=True): ...",
    ],
)
def test_what_is_no_plugin_of_the_files_own_is_left_alone(tmp_path: Path, text: str) -> None:
    assert not discovery.in_folder(folder_with(tmp_path, helper=text))


def test_files_that_begin_with_an_underscore_are_not_imported(tmp_path: Path) -> None:
    assert not discovery.in_folder(folder_with(tmp_path, _helper="raise RuntimeError"))


def test_what_an_editor_keeps_beside_a_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".#plugin.py").symlink_to("nobody@nowhere")
    assert not discovery.in_folder(tmp_path)


def test_a_file_is_imported_as_it_was_read(tmp_path: Path) -> None:
    texts = discovery.texts(folder_with(tmp_path, one=GOOD))
    folder_with(tmp_path, one="# nothing")
    assert inspect.getsource(discovery.in_texts(texts)["add-header"]).startswith("class AddHeader")


def test_an_edit_is_seen_however_soon_it_comes(tmp_path: Path) -> None:
    for name in ("x-a", "x-b"):
        folder = folder_with(tmp_path, one=GOOD.replace("x-a", name))
        os.utime(folder / "one.py", (0, 0))
        assert vars(discovery.in_folder(folder)["add-header"])["name"] == name


def test_an_empty_or_missing_folder_has_no_plugins(tmp_path: Path) -> None:
    assert not discovery.in_folder(tmp_path)
    assert not discovery.in_folder(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("x = 1\ndef broken(:\n", 2, "SyntaxError"),
        ("x = 1\n\nimport nowhere_to_be_found", 3, "ModuleNotFoundError"),
        ("import sys\nsys.exit(1)", 2, "SystemExit"),
        ("def fail():\n    raise RuntimeError('no')\n\nfail()", 2, "RuntimeError"),
        ("import json\n\njson.loads('{')", 3, "JSONDecodeError"),
        ("from outrider import Plugin\n\nclass Empty(Plugin):\n    x: int = 1", 3, "PluginError"),
        ("from outrider import Plugin\nclass Bad(Plugin):\n    def on_reqest(self, request): ...", 2, "PluginError"),
        ("x = '\ud800'".encode("utf-8", "surrogatepass").decode("latin-1"), 1, "SyntaxError"),
    ],
)
def test_a_file_that_can_not_be_imported_is_an_error_with_its_line(
    tmp_path: Path, text: str, line: int, error: str
) -> None:
    (tmp_path / "bad.py").write_bytes(text.encode("latin-1"))
    with pytest.raises(PluginError) as raised:
        discovery.in_folder(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'bad.py'}, line {line}: {error} (")


def test_two_plugins_with_one_name_are_an_error(tmp_path: Path) -> None:
    folder_with(tmp_path, one=GOOD, two=GOOD)
    with pytest.raises(PluginError, match=r"two\.py: a second plugin called add-header"):
        discovery.in_folder(tmp_path)


def test_a_class_with_a_second_name_is_one_plugin(tmp_path: Path) -> None:
    assert list(discovery.in_folder(folder_with(tmp_path, alias=f"{GOOD}\nOther = AddHeader\n"))) == ["add-header"]


def test_files_of_one_name_in_two_folders_are_two_plugins(tmp_path: Path) -> None:
    for name in ("a/plugins", "b/plugins"):
        (tmp_path / name).mkdir(parents=True)
        folder_with(tmp_path / name, same=GOOD.replace("x-a", name))
    first, second = (discovery.in_folder(tmp_path / name / "plugins")["add-header"] for name in "ab")
    assert first is not second
    assert [vars(cls)["name"] for cls in (first, second)] == ["a/plugins", "b/plugins"]


def test_types_of_fields_are_found_in_the_file(tmp_path: Path) -> None:
    text = """
from __future__ import annotations
from dataclasses import dataclass
from outrider import Plugin, Request

@dataclass(frozen=True)
class Window:
    limit: int = 1

class Limits(Plugin):
    window: Window = Window(limit=2)

    def on_request(self, request: Request) -> None: ...
"""
    assert "limits" in discovery.in_folder(folder_with(tmp_path, limits=text))


def test_the_bundled_plugins_are_installed_like_any_others() -> None:
    found = discovery.installed()
    assert {"key-auth", "jwt-auth", "rate-limit", "correlation-id"} <= set(found)
    assert all(issubclass(cls, Plugin) for cls in found.values())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nowhere_to_be_found:X", "the plugin odd of nowhere_to_be_found:X can't be imported"),
        ("outrider:NotThere", "the plugin odd of outrider:NotThere can't be imported"),
        ("outrider:Request", "the plugin odd is outrider:Request, which is no Plugin class"),
        ("json:dumps", "the plugin odd is json:dumps, which is no Plugin class"),
    ],
)
def test_an_installed_plugin_that_is_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    entries = EntryPoints([EntryPoint("odd", value, discovery.GROUP)])

    def found(*, group: str) -> EntryPoints:
        return entries.select(group=group)

    monkeypatch.setattr(discovery, "entry_points", found)
    installed = discovery.installed()
    assert list(installed) == ["odd"]
    with pytest.raises(PluginError, match=words):
        _ = installed["odd"]
