"""The private folder of a gateway, and those that killed gateways left behind."""

import os
from pathlib import Path

import pytest

from outrider_cli.folder import private_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr("outrider_cli.folder._SOCKET_PATH", 1000)
    return folder


def left_behind(parent: Path, age: float) -> Path:
    folder = parent / "outrider-dead"
    folder.mkdir()
    (folder / "configuration.yaml").write_text("a secret")
    lock = folder / "lock"
    lock.touch()
    then = lock.stat().st_mtime - age
    os.utime(lock, (then, then))
    return folder


def test_a_folder_is_gone_when_its_gateway_has_stopped(temporary: Path) -> None:
    with private_folder() as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
    assert not list(temporary.iterdir())


def test_what_a_killed_gateway_left_is_removed_by_the_next(temporary: Path) -> None:
    dead = left_behind(temporary, 61)
    with private_folder():
        assert not dead.exists()


def test_one_that_is_just_being_made_is_left_alone(temporary: Path) -> None:
    young = left_behind(temporary, 0)
    with private_folder():
        assert young.exists()


def test_that_of_a_living_gateway_is_left_alone() -> None:
    with private_folder() as living:
        os.utime(living.lock, (0, 0))
        with private_folder():
            assert living.path.exists()


def test_other_folders_are_left_alone(temporary: Path) -> None:
    (temporary / "outrider-plugin").mkdir()
    with private_folder():
        assert (temporary / "outrider-plugin").exists()
