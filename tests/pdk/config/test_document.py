"""Files that are no plain data, in ways that a data file can't show, and the lines of those that are."""

from pathlib import Path

import pytest

from outrider.config import ConfigError, read
from outrider.config.document import MAX_BYTES, parse


def the_mistake(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value).removeprefix(f"{path}:")


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    told = the_mistake(tmp_path / "none.yaml")
    assert told == "1: file: can't be read (No such file or directory): give the path of a readable file"


def test_a_folder_is_a_mistake(tmp_path: Path) -> None:
    assert the_mistake(tmp_path) == "1: file: can't be read (Is a directory): give the path of a readable file"


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_an_empty_file_is_a_mistake(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    assert the_mistake(path) == '1: file: is empty: begin it with _format_version: "3.0"'


def test_bytes_that_are_not_utf_8_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    assert the_mistake(path) == "2: file: is not UTF-8: save it as UTF-8"


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    assert the_mistake(path) == "1: file: is larger than 16 MiB: split it over several gateways"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_that_would_exhaust_the_stack_is_refused(opening: str) -> None:
    with pytest.raises(ConfigError, match="nested deeper than 64 levels"):
        parse(opening * 200_000, "deep.yaml", Path())


def test_every_key_and_item_has_its_line() -> None:
    document = parse("a:\n  - b: 1\n    c:\n      - x\n      - y\n  - 2\n", "f.yaml", Path())
    lines = {("a",): 1, ("a", 0): 2, ("a", 0, "b"): 2, ("a", 0, "c"): 3, ("a", 0, "c", 1): 5, ("a", 1): 6}
    assert {place: document.line(place) for place in lines} == lines


def test_what_is_absent_has_the_line_of_what_should_hold_it() -> None:
    document = parse("a:\n  b:\n    c: 1\n", "f.yaml", Path())
    assert document.line(("a", "b", "d", 0)) == 2


def test_a_byte_order_mark_and_dates_are_taken_as_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 2026-01-01\nb: =\n")
    assert read(path).data == {"a": "2026-01-01", "b": "="}


def test_aliases_are_written_out() -> None:
    assert parse("a: &x [1]\nb: *x\n", "f.yaml", Path()).data == {"a": [1], "b": [1]}
