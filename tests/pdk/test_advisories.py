"""What was once a hole in the PDK, one test each."""

import asyncio
from pathlib import Path

import pytest

from outrider import Plugin, Request, Runtime
from outrider.config import ConfigError, Configuration, load


class Greet(Plugin):
    """Greets."""

    word: str = "hello"

    def on_request(self, request: Request) -> None: ...


def load_text(folder: Path, text: str, **environ: str) -> Configuration:
    path = folder / "outrider.yaml"
    path.write_text(f'_format_version: "3.0"\n{text}')
    return load(path, {"greet": Greet}, environ=environ)


def test_a_username_and_the_same_word_as_a_custom_id_are_two_consumers(tmp_path: Path) -> None:
    people = load_text(tmp_path, "consumers: [{username: bob}, {custom_id: bob}]").consumers
    assert len({one.id for one in people}) == 2


def test_two_consumers_do_not_have_one_id(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'consumers\[eve\].id: "1" is taken by consumers\[bob\]'):
        load_text(tmp_path, 'consumers: [{username: bob, id: "1"}, {username: eve, id: "1"}]')


@pytest.mark.parametrize(
    "text",
    [
        'services: [{name: a, url: "http://h/{vault://env/KEY}"}]',
        'services: [{name: a, url: "http://h", routes: [{paths: ["/{vault://env/KEY}"]}]}]',
        'routes: [{name: a, service: "{vault://env/KEY}", paths: [/]}]',
        'gateway: {plugin_dirs: ["{vault://env/KEY}"]}',
        'consumers: [{username: "{vault://env/KEY}"}]',
        'plugins: [{name: greet, tags: ["{vault://env/KEY}"]}]',
        'consumers: [{username: bob, keyauth_credentials: [{key: a, id: "{vault://env/KEY}"}]}]',
        'consumers: [{username: bob, basicauth_credentials: [{username: a, tags: ["{vault://env/KEY}"]}]}]',
    ],
)
def test_no_secret_gets_to_where_rendered_files_show_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r'"\{vault://env/KEY\}" can\'t stand here') as caught:
        load_text(tmp_path, text, KEY="hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_is_longer_than_a_message_shows_is_not_shown_in_part(tmp_path: Path) -> None:
    secret = "hunter2" * 20
    row = '{key: "{vault://env/KEY}", secret: x}'
    with pytest.raises(ConfigError, match=r'"\{vault://env/KEY\}" is taken') as caught:
        load_text(tmp_path, f"consumers: [{{username: bob, jwt_secrets: [{row}, {row}]}}]", KEY=secret)
    assert "hunter2" not in str(caught.value)


def test_a_background_task_that_fails_is_logged_at_once_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def poll() -> None:
        raise ValueError("hunter2")

    async def main() -> None:
        runtime = Runtime()
        runtime.spawn(poll())
        await asyncio.sleep(0.01)
        assert len(caplog.records) == 1
        await runtime.stop()

    asyncio.run(main())
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "poll failed with ValueError at test_advisories.py:" in record.getMessage()
    assert "hunter2" not in caplog.text


def test_a_background_task_that_is_stopped_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        runtime = Runtime()
        runtime.spawn(asyncio.sleep(60))
        await asyncio.sleep(0)
        await runtime.stop()

    asyncio.run(main())
    assert not caplog.records
