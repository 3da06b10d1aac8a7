"""The folder of endpoint files: what is read of it, and what is told of it."""

from pathlib import Path

import pytest

from outrider.config import ConfigError, Configuration, Target, load
from outrider.config.endpoint_files import current_targets

FILE = """
_format_version: "3.0"
gateway: {endpoints: endpoints}
upstreams:
  - {name: pool, targets: [{target: 10.0.0.1}]}
  - {name: other}
  - {name: named, targets: [{target: a.internal}]}
"""
NAME = "is a name, and the targets of a file are not looked up: write its address, or list it in the upstream itself"
NAMES = "has names for targets, which the gateway looks up by itself: remove this file, or those targets"
OWN = (Target("10.0.0.1", 8000),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "endpoints").mkdir()
    return tmp_path / "endpoints"


@pytest.fixture
def configuration(folder: Path) -> Configuration:
    path = folder.parent / "outrider.yaml"
    path.write_text(FILE)
    return load(path, {})


def told(configuration: Configuration, folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        current_targets(configuration)
    return [str(mistake).replace(f"{folder}/", "") for mistake in caught.value.mistakes]


def test_without_a_file_the_targets_are_the_upstreams_own(configuration: Configuration) -> None:
    assert current_targets(configuration) == {"pool": OWN, "other": (), "named": (Target("a.internal", 8000),)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pool.yaml", "targets: [{target: '10.0.0.2:1', weight: 5}]"),
        ("pool.yml", "targets:\n  - target: 10.0.0.2:1\n    weight: 5\n"),
        ("POOL.json", '{"targets": [{"target": "10.0.0.2:1", "weight": 5, "tags": []}]}'),
    ],
)
def test_a_file_takes_the_place_of_the_upstreams_targets(
    configuration: Configuration, folder: Path, name: str, text: str
) -> None:
    (folder / name).write_text(text)
    assert current_targets(configuration)["pool"] == (Target("10.0.0.2", 1, 5),)
    assert current_targets(configuration)["other"] == ()


def test_a_file_without_targets_leaves_none(configuration: Configuration, folder: Path) -> None:
    (folder / "pool.yaml").write_text("targets: []")
    assert current_targets(configuration)["pool"] == ()


@pytest.mark.parametrize("name", [".pool.yaml", "pool.yaml.part", "pool.yaml~", "README"])
def test_what_is_being_written_is_not_read(configuration: Configuration, folder: Path, name: str) -> None:
    (folder / name).write_text("targets: [")
    assert current_targets(configuration)["pool"] == OWN


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        ("poll.yaml", "targets: []", '1: file: "poll" is none of the upstreams: did you mean "pool"?'),
        (
            "pool.yaml",
            "\ntargets: [{target: a.internal}]",
            f'2: targets[0].target: "a.internal" {NAME}',
        ),
        (
            "pool.yaml",
            "targets:\n  - {target: 10.0.0.1, wait: 1}",
            '2: targets[0].wait: is no field here: did you mean "weight"?',
        ),
        (
            "pool.yaml",
            "targets: [{target: 10.0.0.1, upstream: other}]",
            "1: targets[0].upstream: is not the upstream of this file: remove it",
        ),
        ("pool.yaml", "[1, 2]", "1: file: a list is no mapping: write its fields under it"),
        ("pool.yaml", "", "1: file: is empty: write `targets: []` into it for no targets, or remove it"),
        (
            "named.yaml",
            "targets: []",
            f"1: file: the upstream named {NAMES}",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told(
    configuration: Configuration, folder: Path, name: str, text: str, mistake: str
) -> None:
    (folder / name).write_text(text)
    assert told(configuration, folder) == [f"{name}:{mistake}"]


def test_all_files_are_told_of_at_once(configuration: Configuration, folder: Path) -> None:
    (folder / "pool.yaml").write_text("targets: [{target: 1.2.3.4}]")
    (folder / "pool.json").write_text('{"targets": []}')
    (folder / "nobody.yaml").write_text("targets: []")
    assert [line.partition(":")[0] for line in told(configuration, folder)] == ["nobody.yaml", "pool.yaml"]


def test_a_folder_that_has_gone_is_told(configuration: Configuration, folder: Path) -> None:
    folder.rmdir()
    assert "can't be read" in told(configuration, folder)[0]
