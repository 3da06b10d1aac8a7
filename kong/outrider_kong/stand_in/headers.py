"""Header fields as bytes, in order, with duplicates; names compare without regard to case."""

import re
from collections.abc import Iterable, Iterator

Item = tuple[bytes, bytes]

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
NO_TOKEN = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")


def wire(items: Iterable[Item]) -> list[Item]:
    """Fields as they can stand on the wire: what could end one is escaped as nginx does, spaces around are gone."""
    return [(NO_TOKEN.sub(_escaped, name), CONTROL.sub(_escaped, value).strip(b" \t")) for name, value in items]


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


class Headers:
    """The fields of one message."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.items: list[Item] = list(items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a name, in order."""
        wanted = name.lower()
        return [value for key, value in self.items if key.lower() == wanted]

    def get(self, name: bytes) -> bytes | None:
        """The first value of a name."""
        wanted = name.lower()
        return next((value for key, value in self.items if key.lower() == wanted), None)

    def set(self, name: bytes, *values: bytes) -> None:
        """Puts these values in the place of all others; no value clears the name."""
        self.clear(name)
        self.items.extend((name, value) for value in values)

    def add(self, name: bytes, *values: bytes) -> None:
        """Adds values after those that are there."""
        self.items.extend((name, value) for value in values)

    def clear(self, name: bytes) -> None:
        """Takes every value of a name away."""
        wanted = name.lower()
        self.items = [item for item in self.items if item[0].lower() != wanted]

    def table(self, limit: int) -> dict[bytes, bytes | list[bytes]]:
        """What Lua sees of the first `limit` fields: names in lower case, a list where a name came twice."""
        grouped: dict[bytes, list[bytes]] = {}
        for key, value in self.items[:limit]:
            grouped.setdefault(key.lower(), []).append(value)
        return {key: values[0] if len(values) == 1 else values for key, values in grouped.items()}
