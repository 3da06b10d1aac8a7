"""When a file that is looked at again and again counts as changed."""

from pathlib import Path

import pytest

from outrider_cli.watched_files import REST, Files


class Clock:
    """Stands still until a test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "outrider.yaml"
    file.write_text("first")
    return file


def test_a_file_that_was_there_before_is_no_change(file: Path, clock: Clock) -> None:
    files = Files(file, clock=clock)
    clock.now += 2 * REST
    assert files.rests()
    assert not files.changed()


def test_one_that_was_forgotten_is_a_change_once(file: Path, clock: Clock) -> None:
    files = Files(file, clock=clock)
    files.forget()
    clock.now += 2 * REST
    assert [files.changed(), files.changed()] == [True, False]


def test_a_change_counts_once_it_has_rested(file: Path, clock: Clock) -> None:
    files = Files(file, clock=clock)
    clock.now += 2 * REST
    file.write_text("half of the sec")
    assert not files.rests()
    assert not files.changed()
    clock.now += REST / 2
    file.write_text("half of the second, and more")
    assert not files.changed()
    clock.now += REST * 0.9
    assert not files.changed()
    clock.now += REST * 0.2
    assert [files.changed(), files.changed()] == [True, False]


def test_a_file_that_is_gone_does_not_rest_and_counts_again_when_it_is_back(file: Path, clock: Clock) -> None:
    files = Files(file, clock=clock)
    file.unlink()
    clock.now += 2 * REST
    assert not files.rests()
    clock.now += 2 * REST
    assert not files.rests()
    assert not files.changed()
    file.write_text("second")
    assert not files.changed()
    clock.now += 2 * REST
    assert files.changed()


def test_in_a_folder_each_file_counts_and_a_link_that_leads_nowhere_is_passed_over(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    files = Files(tmp_path, clock=clock)
    clock.now += 2 * REST
    assert files.rests()
    (tmp_path / "one.json").write_text("{}")
    assert not files.changed()
    clock.now += 2 * REST
    assert files.changed()


def test_nothing_never_changes(clock: Clock) -> None:
    files = Files(None, clock=clock)
    clock.now += 2 * REST
    files.forget()
    assert not files.rests()
    assert not files.changed()
