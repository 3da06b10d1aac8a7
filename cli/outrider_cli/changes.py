"""Notices that the configuration file, or a plugin beside it, is another one than the gateway runs with."""

import asyncio
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from outrider.config.document import read_text
from outrider.errors import OutriderError
from outrider_cli.loading import Source
from outrider_cli.watched_files import Files

_log = logging.getLogger("outrider.supervisor")

LOOK = 0.1
"""How often the files are looked at, in seconds."""


class Change(NamedTuple):
    """What is to be taken over."""

    source: Source
    only_targets: bool = False
    """Whether it is the source that serves, and only the files in its folder of endpoints are others."""


class Changes:
    """The changes of a source's file and of its endpoints; with `plugins`, also those of its plugin_dirs."""

    def __init__(self, source: Source, *, plugins: bool) -> None:
        self._seen = self._last = self._serving = source
        self._text = source.text
        self._plugins = plugins
        self._asked = threading.Event()
        self._told = ""
        self._file = Files(source.path)
        # It may have changed since it was read.
        self._file.forget()
        # Kong has its targets in its own configuration.
        self._endpoints = Files(source.gateway.endpoints if source.kind == "envoy" else None)
        self._targets = False
        if plugins and not source.folders:
            _log.warning("--reload: there are no plugin_dirs in %s, so there is nothing to look at", source.path)

    def ask(self) -> None:
        """Has everything read again, changed or not: a secret or a key that the file refers to may be another."""
        self._asked.set()

    def serving(self, source: Source, endpoints: Path | None) -> None:
        """Says what the gateway runs with now: an edit that is taken back needs nothing."""
        self._serving = self._seen = self._last = source
        if endpoints != self._endpoints.path:
            self._endpoints = Files(endpoints)
            # They may have changed since they were read.
            self._endpoints.forget()
        self._targets = False

    async def next(self) -> Change:
        """Waits for a source that is another one than was seen last and holds still, or for `ask`."""
        while True:
            await asyncio.sleep(LOOK)
            # Asked or not, half of a file is none.
            asked = self._asked.is_set() and self._file.rests()
            try:
                now = self._now(asked=asked)
            except OutriderError as error:
                self._tell(str(error))
                continue
            self._told = ""
            # A folder may have thousands of files.
            self._targets |= await asyncio.to_thread(self._endpoints.changed)
            if (change := self._change(now, asked=asked)) is not None:
                return change

    def _change(self, now: Source, *, asked: bool) -> Change | None:
        holds_still, self._last = now == self._last, now
        if asked or (holds_still and now not in (self._seen, self._serving)):
            self._asked.clear()
            self._seen = now
            return Change(now)
        if holds_still:
            self._seen = now
        if self._targets:
            self._targets = False
            return Change(self._serving, only_targets=True)
        return None

    def _now(self, *, asked: bool) -> Source:
        """Raises `OutriderError` if something can't be read."""
        if self._file.changed() or asked:
            self._text = read_text(self._seen.path)
        now = replace(self._seen, text=self._text)
        return now.with_plugins_of_now() if asked or self._plugins else now

    def _tell(self, words: str) -> None:
        if words != self._told:
            self._told = words
            _log.error("%s", words)
