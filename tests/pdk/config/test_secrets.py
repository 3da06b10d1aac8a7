"""References to secrets that stand outside the file."""

from pathlib import Path

import pytest

from outrider.config import ConfigError
from outrider.config.document import Document, parse
from outrider.config.secrets import MAX_BYTES, Secrets


def document(value: str, directory: Path) -> Document:
    return parse(f'plugins:\n  - config: "{value}"\n', "f.yaml", directory)


def resolved(value: str, directory: Path = Path(), **environ: str) -> str:
    secrets = Secrets(document(value, directory), environ)
    assert not secrets.mistakes
    found: str = secrets.data["plugins"][0]["config"]
    return found


def told(value: str, directory: Path = Path(), **environ: str) -> str:
    (mistake,) = Secrets(document(value, directory), environ).mistakes
    return f"{mistake.line}: {mistake.where}: {mistake.what}"


def test_a_variable_of_the_environment_is_put_in() -> None:
    assert resolved("{vault://env/KEY}", KEY="s3cret") == "s3cret"


def test_a_reference_may_be_a_part_of_the_text() -> None:
    assert resolved("redis://:{vault://env/A}@{vault://env/B}", A="x", B="y") == "redis://:x@y"


def test_what_was_put_in_is_not_read_again() -> None:
    assert resolved("{vault://env/A}", A="{vault://env/B}", B="no") == "{vault://env/B}"


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_file_is_put_in_without_its_last_line_end(tmp_path: Path, ending: bytes) -> None:
    (tmp_path / "key.txt").write_bytes(b"line 1\nline 2" + ending)
    assert resolved("{vault://file/key.txt}", tmp_path) == "line 1\nline 2"
    assert resolved(f"{{vault://file/{tmp_path}/key.txt}}") == "line 1\nline 2"


def test_a_secret_is_never_missing_nor_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    assert told("{vault://env/KEY}") == '2: plugins[0].config: the environment has no "KEY"'
    assert told("{vault://env/KEY}", KEY="") == '2: plugins[0].config: "KEY" is empty in the environment'
    assert told("{vault://file/none}", tmp_path) == f'2: plugins[0].config: there is no file "{tmp_path}/none"'
    assert told("{vault://file/empty}", tmp_path) == f'2: plugins[0].config: "{tmp_path}/empty" is empty'


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (MAX_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert told("{vault://file/large}", tmp_path) == f'2: plugins[0].config: "{tmp_path}/large" is larger than 64 KiB'
    assert (
        told("{vault://file/binary}", tmp_path) == f'2: plugins[0].config: "{tmp_path}/binary" can\'t be read as text'
    )
    assert told("{vault://file/.}", tmp_path).startswith("2: plugins[0].config: there is no file")
    assert told("{vault://file//dev/zero}").startswith("2: plugins[0].config: there is no file")


def test_the_document_keeps_the_reference() -> None:
    written = document("{vault://env/KEY}", Path())
    Secrets(written, {"KEY": "s3cret"})
    assert written.data == {"plugins": [{"config": "{vault://env/KEY}"}]}


def test_the_words_of_others_are_shown_without_secrets() -> None:
    secrets = Secrets(document("{vault://env/KEY}", Path()), {"KEY": 'two"\nlines'})
    assert secrets.hide("""'two"\\nlines' and two"\nlines""") == "'(secret)' and (secret)"
    assert "two" not in repr(secrets)


def test_a_secret_never_gets_into_an_error() -> None:
    assert "hunter2" not in str(ConfigError(Secrets(document("{vault://env/", Path()), {}).mistakes))
