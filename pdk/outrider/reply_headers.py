"""What downstream gets whatever answers: headers whose names a gateway knows before the first request."""

from typing import Final

from outrider.errors import HeaderError, TooLateError, UndeclaredError
from outrider.headers import Headers

SENT: Final[frozenset[str]] = frozenset({"headers that have been sent"})
"""In place of the names that may be set, once it is too late for any."""


class ReplyHeaders(Headers):
    """The headers of `request.reply_headers`: a gateway must know their names before the first request.

    Their values are UTF-8 text, and an empty one is left out: Envoy carries them in its metadata.
    """

    __slots__ = ("_names",)

    def __init__(self, names: frozenset[str]) -> None:
        self._fields = {}
        self._touched = {}
        self._names = names

    def __setitem__(self, name: str, value: str) -> None:
        self._check(name, value)
        super().__setitem__(name, value)

    def append(self, name: str, value: str) -> None:
        self._check(name, value)
        super().append(name, value)

    def put(self, checked: Headers) -> None:
        for name, value in checked.fields():
            self._check(name, value)
        super().put(checked)

    def seal(self) -> None:
        self._names = SENT

    def copy(self) -> "ReplyHeaders":
        twin = ReplyHeaders(self._names)
        twin.adopt(super().copy())
        return twin

    def _check(self, name: str, value: str) -> None:
        if self._names is SENT:
            raise TooLateError(f"reply header {name!r} can't be set any more: use an earlier hook")
        if name not in self._names and name.lower() not in self._names:
            raise UndeclaredError(f"reply header {name!r}: name it in needs(), Needs(reply_headers=({name!r},))")
        if not value.isascii() and any("\udc80" <= letter <= "\udcff" for letter in value):
            raise HeaderError(f"the value of the reply header {name!r} is not UTF-8")
