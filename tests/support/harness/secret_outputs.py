"""What processes write that tests start: their standard output and error, read on as the tests go."""

import os
import stat
import subprocess
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

_MOST = 64 << 20  # bytes


class Written:
    """The file that a running process writes to, also after its folder was removed."""

    def __init__(self, process: "subprocess.Popen[Any]", number: int, since: int) -> None:
        self.since = since
        self._process = weakref.ref(process)
        self._read = os.open(f"/proc/self/fd/{number}", os.O_RDONLY)
        self._place = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is written any more."""
        process = self._process()
        return process is None or process.returncode is not None

    def news(self) -> bytes:
        """What was written since the last call, and once more a line that had no end then."""
        if os.fstat(self._read).st_size < self._place:
            self._place = 0  # it was begun anew
        text = os.pread(self._read, _MOST, self._place)
        self._place += text.rfind(b"\n") + 1
        return text

    def close(self) -> None:
        os.close(self._read)


def written(process: "subprocess.Popen[Any]", fields: Mapping[str, Any], since: int) -> list[Written]:
    """The files that a process was started with, from the arguments of Popen."""
    files: dict[tuple[int, int], int] = {}
    for given in (fields.get("stdout"), fields.get("stderr")):
        number = given if isinstance(given, int) else given.fileno() if given is not None else -1
        if number >= 0 and stat.S_ISREG((found := os.fstat(number)).st_mode):
            files.setdefault((found.st_dev, found.st_ino), number)
    return [Written(process, number, since) for number in files.values()]


def words(command: object) -> list[str]:
    """A command line; none of one that is for a shell."""
    return [*map(str, cast("Sequence[object]", command))] if isinstance(command, list | tuple) else []


def named_files(command: object) -> Iterator[Path]:
    """The configuration files that a command line names."""
    for word in words(command):
        if word.endswith((".yaml", ".yml", ".json")) and Path(word).is_file():
            yield Path(word)


def modules_of(command: object) -> Iterator[str]:
    """What `render kong --pdk DIR` wrote into DIR."""
    given = words(command)
    if "--pdk" in given:
        for path in Path(given[given.index("--pdk") + 1]).rglob("*"):
            with suppress(OSError, UnicodeDecodeError):
                yield path.read_text()
