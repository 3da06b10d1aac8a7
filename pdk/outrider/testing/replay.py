"""Runs recorded messages through plugins, with no gateway."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from outrider.config.mistake import ConfigError, Mistake
from outrider.consumer import Consumers
from outrider.plugin import Plugin
from outrider.runtime import Runtime
from outrider.testing.outcome import Outcome
from outrider.testing.recording import Exchange, Line
from outrider.testing.runner import Runner

_REMEDY = "the docstring of outrider.testing.recording shows the format"


def replay(
    plugins: Plugin | Sequence[Plugin], path: Path | str, *, consumers: Consumers | None = None
) -> list[Outcome]:
    """Runs the requests of a recording through plugins, and tells what came of each.

    Raises `ConfigError`, with a line FILE:LINE for each mistake in the file, before any plugin starts.
    """
    recorded = read(Path(path))

    async def all_of_it() -> list[Outcome]:
        chain = [plugins] if isinstance(plugins, Plugin) else plugins
        async with Runner(chain, Runtime(consumers or Consumers())) as runner:
            return [await _sent(runner, one) for one in recorded]

    return asyncio.run(all_of_it())


async def _sent(runner: Runner, one: Exchange) -> Outcome:
    return await runner.send(one.request, one.request_chunks, one.response, response_chunks=one.response_chunks)


def read(path: Path) -> list[Exchange]:
    """The exchanges of a recording. Raises `ConfigError` with all its mistakes, or if it can't be read."""
    reader = _Reader(str(path))
    try:
        # Not splitlines: JSON text may hold a U+2028.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigError([Mistake(str(path), 1, "file", f"can't be read ({why})", "name a recording")]) from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            reader.take(number, line)
    if not reader.exchanges and not reader.mistakes:
        reader.add(1, "file", "has no request", "begin with a line that has the key request")
    if reader.mistakes:
        raise ConfigError(reader.mistakes)
    return reader.exchanges


class _Reader:
    """What was read of a file so far."""

    def __init__(self, file: str) -> None:
        self.exchanges: list[Exchange] = []
        self.mistakes: list[Mistake] = []
        self._file = file

    def add(self, line: int, where: str, what: str, remedy: str = _REMEDY) -> None:
        self.mistakes.append(Mistake(self._file, line, where, what, remedy))

    def take(self, number: int, text: str) -> None:
        """One line that is not empty."""
        try:
            data: object = json.loads(text)
        except (ValueError, RecursionError):
            self.add(number, "line", "is no JSON", "write one JSON object on each line")
            return
        if not isinstance(data, dict) or len(cast("dict[str, object]", data)) != 1:
            self.add(number, "line", "is no object with one key", f"choose one of {', '.join(Line.model_fields)}")
            return
        try:
            line = Line.model_validate(data)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                self.add(number, _where(one["loc"]), one["msg"].removeprefix("Value error, "))
        else:
            self._place(number, next(iter(line.model_fields_set)), line)

    def _place(self, number: int, key: str, line: Line) -> None:
        """Puts a line where it belongs."""
        if line.request is not None:
            self.exchanges.append(Exchange(line.request))
        elif not self.exchanges:
            self.add(number, key, "stands before any request", "begin with a line that has the key request")
        elif key == "response" and self.exchanges[-1].answer is not None:
            self.add(number, key, "is the second one of its request", "keep one of them")
        elif key.startswith("response_") and self.exchanges[-1].answer is None:
            self.add(number, key, "stands before its response", "put a line with the key response above it")
        else:
            _append(self.exchanges[-1], line)


def _append(exchange: Exchange, line: Line) -> None:
    if line.request_chunk is not None:
        exchange.request_chunks.append(line.request_chunk)
    elif line.response is not None:
        exchange.answer = line.response
    elif line.response_chunk is not None:
        exchange.response_chunks.append(line.response_chunk)


def _where(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")
