"""What a request carried as credentials, where several plugins of one chain look for them."""

from collections.abc import Callable, Hashable
from copy import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outrider.request import Request


class Carried:
    """Remembers what each plugin hid from upstream, so that the next one can still look at it.

    Hiding is never put off: whatever becomes of the plugins after, what was hidden does not go upstream.
    """

    __slots__ = ("_fields", "_query", "by", "told")

    def __init__(self, told: frozenset[str] = frozenset()) -> None:
        self._fields: dict[str, list[str]] = {}
        self._query: str | None = None
        self.by: set[Hashable] = set()
        """What carried the credentials that let the request in (`Auth.carrier`)."""
        self.told = told
        """The headers that upstream was told of, beside those of every identity."""

    def hide(self, request: "Request", remove: "Callable[[Request], None]") -> None:
        """Lets `remove` take credentials off the request, and remembers them."""
        whole = request.whole
        before, query = whole.headers.copy(), whole.query
        remove(request)
        for name, values in whole.headers.changes():
            if name in before and (old := before.get_all(name)) != values:
                self._fields.setdefault(name, old)
        if self._query is None and query != whole.query:
            self._query = query

    def seen(self, request: "Request") -> "Request":
        """The request with all that was hidden from upstream."""
        if not self._fields and self._query is None:
            return request
        seen = copy(request.whole)
        seen.show(self._fields, self._query)
        return seen
