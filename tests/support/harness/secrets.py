"""The secrets that tests use, and the search for them in what comes out."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

SHORTEST = 7
"""Shorter ones stand in any text by chance, and so does a word of letters."""
WORD = 15
_BEGINNING = 24
_SPELT_ALIKE = re.compile(r"[\w.~-]+", re.ASCII)
_WINDOW = 4


@dataclass(slots=True)
class Secret:
    """Where a secret came from, and when it was used last."""

    origin: str
    used: int


class Secrets:
    """All of one process. Times are counted by uses: `now` grows with each."""

    def __init__(self) -> None:
        self.now = 0
        self.plain: set[str] = set()
        """Those that are too short or too ordinary to be searched for."""
        self._known: dict[bytes, Secret] = {}
        self._ends: dict[int, set[bytes]] = {}

    def __len__(self) -> int:
        return len({id(secret) for secret in self._known.values()})

    def use(self, value: str, origin: str) -> None:
        """Remembers a secret, or that it was used again."""
        if "{vault://" in value:
            return  # only the name of one
        if is_plain(value):
            self.plain.add(value)
            return
        self.now += 1
        if known := self._known.get(_encoded(value)):
            known.used = self.now
            return
        secret = Secret(origin, self.now)
        for spelling in filter(None, map(_encoded, _spellings(value))):
            self._known.setdefault(spelling, secret)
            self._ends.setdefault(_end(spelling), set()).add(spelling)

    def found(self, text: bytes, since: int) -> dict[bytes, Secret]:
        """What stands in a text of the secrets that were used after `since`, in any spelling."""
        candidates = [spelling for end in self._ends_in(text) for spelling in tuple(self._ends[end])]
        found = {spelling: self._known[spelling] for spelling in candidates if spelling in text}
        return {spelling: secret for spelling, secret in found.items() if secret.used > since}

    def _ends_in(self, text: bytes) -> set[int]:
        """The ends of secrets that stand somewhere: each four bytes are looked up, however many secrets there are."""
        found: set[int] = set()
        with memoryview(text) as whole:
            for first in range(_WINDOW):
                last = first + (len(text) - first) // _WINDOW * _WINDOW
                with whole[first:last] as part, part.cast("I") as windows:
                    found |= self._ends.keys() & windows
        return found


def is_plain(value: str) -> bool:
    """Whether a value may stand somewhere by chance."""
    return len(value) < SHORTEST or (len(value) <= WORD and value.isalpha())


def _end(spelling: bytes) -> int:
    with memoryview(spelling)[-_WINDOW:] as end, end.cast("I") as windows:
        return windows[0]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _spellings(value: str) -> Iterator[str]:
    """As it is, as JSON, Python and addresses write it, and the part that an error text would have kept."""
    for piece in _pieces(value):
        yield piece
        if _SPELT_ALIKE.fullmatch(piece):
            continue
        yield json.dumps(piece)[1:-1]
        yield json.dumps(piece, ensure_ascii=False)[1:-1]
        yield repr(piece)[1:-1]
        yield quote(piece, errors="surrogatepass")


def _pieces(value: str) -> Iterator[str]:
    yield value
    head, _, signature = value.rpartition(".")
    if head.startswith("eyJ"):
        # What stands before it is no secret of its own, and alike in many tokens.
        if len(signature) > WORD:
            yield signature
    elif len(value) > _BEGINNING + SHORTEST:
        yield value[:_BEGINNING]
