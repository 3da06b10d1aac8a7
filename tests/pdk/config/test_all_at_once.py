"""Every mistake of a file is told in one round, whoever finds it."""

from pathlib import Path

import pytest

from outrider import Consumers, Plugin, Request
from outrider.config import ConfigError, Configuration, Mistake, build, read
from outrider.errors import PluginError


class Picky(Plugin):
    """Has something against every consumer."""

    def check(self, consumers: Consumers, /) -> None:
        raise ValueError("likes nobody: remove it")

    def on_request(self, request: Request) -> None: ...


class Fine(Plugin):
    """Has nothing against anybody."""

    def on_request(self, request: Request) -> None: ...


class Broken(Fine):
    """Fails when it is asked."""

    def check(self, consumers: Consumers, /) -> None:
        raise RuntimeError("a bug")


PLUGINS: dict[str, type[Plugin]] = {"picky": Picky, "fine": Fine, "broken": Broken}
GATEWAY = "has a word to say"


def mistakes(folder: Path, text: str) -> list[tuple[int, str]]:
    def also(configuration: Configuration) -> list[Mistake]:
        return [Mistake(configuration.document.file, 1, "gateway", GATEWAY, "listen")]

    def find(_: Path) -> dict[str, type[Plugin]]:
        raise PluginError("mine.py can't be imported: mend it")

    file = folder / "outrider.yaml"
    file.write_text('_format_version: "3.0"\n' + text)
    with pytest.raises(ConfigError) as caught:
        build(read(file), PLUGINS, find, {}, also)
    return [(one.line, one.what) for one in caught.value.mistakes]


def test_a_field_and_the_gateway_are_told_together(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "services: [{name: a}]\nplugins: [{name: fine}]\n")
    assert found == [(1, GATEWAY), (2, "has no upstream")]


def test_a_field_and_a_plugins_own_check_are_told_together(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "services: [{name: a}]\nplugins: [{name: picky}]\n")
    assert found == [(2, "has no upstream"), (3, "likes nobody")]


def test_a_plugin_that_fails_when_it_is_asked_is_a_mistake_and_no_traceback(tmp_path: Path) -> None:
    ((line, what),) = mistakes(tmp_path, "plugins: [{name: broken}]\n")
    assert (line, what) == (2, "failed with RuntimeError (a bug)")


def test_a_broken_plugin_file_is_one_mistake_though_its_plugins_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    found = mistakes(tmp_path, "gateway: {plugin_dirs: [mine]}\nplugins: [{name: unheard-of}]\n")
    assert (2, "mine.py can't be imported") in found
    assert not [what for _, what in found if "unheard-of" in what]
