"""A source that is handed to another process means the same there, whatever became of its files."""

from pathlib import Path

import pytest

from outrider_cli.loading import Source

PLUGIN = b"""# coding: latin-1
from outrider import Plugin

class Tells(Plugin):
    "\xe4"
    def on_request(self, _): ...
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "tells.py").write_bytes(PLUGIN)
    file = tmp_path / "outrider.yaml"
    file.write_text('_format_version: "3.0"\ngateway: {plugin_dirs: [own]}\nplugins: [{name: tells}]\n')
    found = Source.read(file)
    assert found.configuration.plugins
    return found


def test_it_is_the_same_without_its_files(source: Source, tmp_path: Path) -> None:
    written = source.to_json()
    (tmp_path / "own" / "tells.py").write_text("broken(")
    (tmp_path / "outrider.yaml").unlink()
    again = Source.from_json(written)
    assert again == source
    [one] = again.configuration.plugins
    assert type(one.plugin).__doc__ == "\xe4"


def test_it_differs_once_a_plugin_is_edited_added_or_removed(source: Source, tmp_path: Path) -> None:
    assert source.with_plugins_of_now() == source
    (tmp_path / "own" / "more.py").write_text("")
    assert source.with_plugins_of_now() != source
    (tmp_path / "own" / "more.py").unlink()
    assert source.with_plugins_of_now() == source
    (tmp_path / "own" / "tells.py").unlink()
    assert source.with_plugins_of_now() != source
