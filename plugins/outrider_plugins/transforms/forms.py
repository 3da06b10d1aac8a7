"""Operations on forms, as `application/x-www-form-urlencoded` has them (URL Standard, section 5)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from outrider_plugins.header_changes import Filled, Values
from outrider_plugins.references import Seen
from outrider_plugins.transforms.codings import form_encoding
from outrider_plugins.transforms.pairs import change_pairs

_MOST_FIELDS = 10_000


class FormChanges(NamedTuple):
    """Removes, renames, replaces, adds and appends fields, in that order."""

    remove: Sequence[str]
    rename: Mapping[str, str]
    values: Values

    def __bool__(self) -> bool:
        return bool(self.remove or self.rename or self.values)

    def filled(self, seen: Seen) -> Callable[[bytes, str], bytes | None]:
        """The change of one form, given with its charset, with the values of this message."""
        return partial(self._changed, self.values.fill(seen))

    def _changed(self, values: Filled, body: bytes, charset: str) -> bytes | None:
        encoding = form_encoding(charset)
        if body.count(b"&") >= _MOST_FIELDS:
            raise ValueError("more fields than any form has")
        before = body.decode(encoding, "surrogateescape")
        after = change_pairs(before, self.remove, self.rename, values, encoding)
        return None if after == before else after.encode(encoding, "surrogateescape")


NO_FORM_CHANGES: Final = FormChanges((), {}, Values({}, {}, {}, place="query"))
