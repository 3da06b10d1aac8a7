"""References to secrets that stand outside the file."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from outrider import Plugin, Request
from outrider.config import ConfigError, load
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


class Server(BaseModel):
    """One of a list."""

    password: SecretStr
    port: int = 80


class Servers(Plugin):
    """Has secrets at every depth."""

    servers: list[Server] = []
    headers: dict[str, SecretStr] = {}
    words: list[SecretStr] = []
    text: str = ""

    def on_request(self, _: Request, /) -> None: ...


def servers(folder: Path, config: str) -> Any:
    file = folder / "outrider.yaml"
    file.write_text(f'_format_version: "3.0"\nplugins: [{{name: servers, config: {config}}}]\n')
    return load(file, {"servers": Servers}, environ={"KEY": "hunter2-hunter2"}).plugins[0].plugin


@pytest.mark.parametrize(
    "config",
    ['servers: [{}, {password: "REF"}]', 'headers: {x-key: "REF"}', 'words: ["", "REF"]', 'text: "REF"'],
)
def test_a_reference_may_stand_wherever_a_secret_may_in_a_plugins_fields(tmp_path: Path, config: str) -> None:
    whole = config.replace("{}", "{password: x}").replace("REF", "{vault://env/KEY}")
    plugin = servers(tmp_path, f"{{{whole}}}")
    found = [plugin.text, *plugin.words, *plugin.headers.values(), *(one.password for one in plugin.servers)]
    values = {one if isinstance(one, str) else one.get_secret_value() for one in found}
    assert "hunter2-hunter2" in values
    assert "hunter2" not in f"{plugin!r} {plugin.servers!r} {plugin.words!r} {plugin.headers!r}"


@pytest.mark.parametrize(
    "config",
    [
        '{servers: [{password: "{vault://env/KEY}", port: "{vault://env/KEY}"}]}',
        '{servers: {password: "{vault://env/KEY}"}}',
        '{servers: [{password: ["{vault://env/KEY}"]}]}',
        '{headers: ["{vault://env/KEY}"], words: "{vault://env/KEY}"}',
        '{text: ["{vault://env/KEY}"], txet: "{vault://env/KEY}"}',
    ],
)
def test_a_mistake_beside_a_secret_does_not_show_it(tmp_path: Path, config: str) -> None:
    with pytest.raises(ConfigError) as caught:
        servers(tmp_path, config)
    assert "hunter2" not in str(caught.value)
