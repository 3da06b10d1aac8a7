"""Header fields: multi-valued, case-insensitive, with a memory of what was changed."""

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from typing import TypeVar, cast, overload

from outrider.errors import HeaderError, TooLateError

Fields = dict[str, list[str]]
_Default = TypeVar("_Default")
HeaderSource = Mapping[str, str] | Iterable[tuple[str, str]]

OWNED = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Names that belong to the gateway: whoever sets them can smuggle a second request past it (RFC 9112 §11.2)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5, tab is allowed


@lru_cache(maxsize=4096)
def header_name(name: str) -> str:
    """The canonical (lower-case) form of a name that a plugin may change.

    Raises `HeaderError` for a name that is no RFC 9110 token, or that the gateway owns.
    """
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise HeaderError(f"{name!r} is no header name: use letters, digits and - (RFC 9110, section 5.1)")
    # Gateways and servers read _ as -.
    if lower.replace("_", "-") in OWNED or lower.startswith("x-envoy-"):
        raise HeaderError(f"{lower!r} belongs to the gateway: a plugin can't change it")
    return lower


def header_value(name: str, value: str) -> str:
    """`value` as it may stand in a header; raises `HeaderError` for control bytes and text that has no bytes."""
    if value.isascii() and value.isprintable():
        return value
    if _CONTROL.search(value):
        raise HeaderError(f"the value for {name!r} has a control character: remove CR, LF, NUL and the like")
    if not value.isascii():
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise HeaderError(f"the value for {name!r} can't be written as bytes") from None
    return value


class Headers(MutableMapping[str, str]):
    """The header fields of one message.

    Names are case-insensitive and listed in lower case. Values are text; bytes that are not UTF-8 arrive as
    surrogate escapes and leave as the same bytes. `headers[name]` joins repeated fields with `, ` (RFC 9110
    §5.2); `get_all` keeps them apart, as `set-cookie` and credentials need. Setting replaces all fields of the
    name, `append` adds one. A bad name, a control character, and a name that belongs to the gateway
    (content-length, transfer-encoding, host, hop-by-hop ones) raise `HeaderError`.
    """

    __slots__ = ("_fields", "_touched")

    def __init__(self, source: HeaderSource = ()) -> None:
        self._fields: Fields = {}
        self._touched: dict[str, None] = {}
        pairs = cast("Mapping[str, str]", source).items() if isinstance(source, Mapping) else source
        for name, value in pairs:
            self.append(name, value)

    @classmethod
    def received(cls, fields: Fields) -> "Headers":
        """For adapters: fields as the gateway sent them, taken over without a check; nothing counts as changed."""
        headers = cls.__new__(cls)
        headers._fields = fields
        headers._touched = {}
        return headers

    def __getitem__(self, name: str) -> str:
        values = self._fields.get(name) or self._fields[name.lower()]
        return values[0] if len(values) == 1 else ", ".join(values)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str | _Default, /) -> str | _Default: ...
    def get(self, name: str, default: object = None, /) -> object:
        values = self._fields.get(name) or self._fields.get(name.lower())
        if values is None:
            return default
        return values[0] if len(values) == 1 else ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        name = header_name(name)
        self._fields[name] = [header_value(name, value)]
        self._touched[name] = None

    def __delitem__(self, name: str) -> None:
        name = header_name(name)
        del self._fields[name]
        self._touched[name] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._fields or name.lower() in self._fields)

    def __repr__(self) -> str:
        # Values may be credentials: a header that ends up in a log shows its names only.
        return f"<Headers {', '.join(self._fields)}>"

    def get_all(self, name: str) -> list[str]:
        """Every field of that name, in order; empty if there is none."""
        return list(self._fields.get(name.lower(), ()))

    def append(self, name: str, value: str) -> None:
        """Adds a field, keeping those of the same name."""
        name = header_name(name)
        checked = header_value(name, value)
        self._fields.setdefault(name, []).append(checked)
        self._touched[name] = None

    def put(self, checked: "Headers") -> None:
        """Sets every field that was set in another, which checked it then: it isn't checked again.

        For the same headers on many requests. What another received from a gateway is not taken over.
        """
        for name, values in checked.changes():
            if values:
                self._fields[name] = values.copy()
                self._touched[name] = None

    def discard(self, name: str) -> None:
        """Removes all fields of the name, if any. Unlike `del`, says nothing when there are none."""
        if name.lower() in self._fields:
            del self[name]

    def strip(self, names: frozenset[str]) -> None:
        """Removes those of `names` (lower case, with `-`) that are present, also where `_` stands for `-`.

        Many servers read both as one name.
        """
        fields = self._fields
        if "_" not in "".join(fields) and names.isdisjoint(fields):
            return
        for name in [name for name in fields if name.replace("_", "-") in names]:
            del fields[name]
            self._touched[name] = None

    def unseal(self) -> None:
        """For tests that send one request again."""
        self.__class__ = Headers  # pyright: ignore[reportAttributeAccessIssue]

    def forget(self, names: Iterable[str]) -> None:
        """For the chain: takes names off as if they had never come."""
        for name in names:
            self._fields.pop(name, None)

    def fields(self) -> Iterator[tuple[str, str]]:
        """All fields, one pair each, repeated names together."""
        for name, values in self._fields.items():
            for value in values:
                yield name, value

    def changes(self) -> Iterator[tuple[str, list[str]]]:
        """Each touched name with its final values; an empty list says that it was removed."""
        for name in self._touched:
            yield name, self._fields.get(name, [])

    @property
    def changed(self) -> bool:
        return bool(self._touched)

    def adopt(self, other: "Headers") -> None:
        """Takes over the fields and changes of another, which is not used any more."""
        self._fields, self._touched = other._fields, other._touched

    def seal(self) -> None:
        """For the chain: the headers have been sent, and a change would change nothing."""
        self.__class__ = _SentHeaders  # pyright: ignore[reportAttributeAccessIssue]

    def copy(self) -> "Headers":
        """An independent copy that remembers the same changes."""
        headers = Headers.received({name: list(values) for name, values in self._fields.items()})
        headers._touched = dict(self._touched)
        return headers


class _SentHeaders(Headers):
    """Headers that can only be read any more."""

    __slots__ = ()

    def __setitem__(self, name: str, value: str) -> None:
        raise _too_late(name)

    def __delitem__(self, name: str) -> None:
        raise _too_late(name)

    def append(self, name: str, value: str) -> None:
        raise _too_late(name)

    def put(self, checked: Headers) -> None:
        raise _too_late(", ".join(checked))


def _too_late(name: str) -> TooLateError:
    return TooLateError(f"{name!r} can't be changed any more: the headers have been sent; use an earlier hook")
