"""Operations on JSON at pointers, compiled for one instance."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from outrider.consumer import JSON
from outrider.needs import Fact
from outrider_plugins.json_body import read_exactly, write_json
from outrider_plugins.references import Seen
from outrider_plugins.transforms.codings import from_utf8, to_utf8
from outrider_plugins.transforms.json_values import compile_json
from outrider_plugins.transforms.pointers import add, append, remove, rename, replace, steps_of

Operation = Callable[[JSON], None]
"""What is done to the data of one body, in place."""
Valued = Mapping[str, JSON]


class JsonChanges:
    """Removes, renames, replaces, adds and appends at JSON pointers, in that order."""

    def __init__(
        self,
        removed: Sequence[str],
        renamed: Mapping[str, str],
        *valued: Valued,
        on_response: bool = False,
    ) -> None:
        """`valued` are the values to replace, to add and to append, each by its pointer."""
        self._fixed: list[Operation] = [partial(remove, at=steps_of(at)) for at in removed]
        self._fixed += [partial(rename, old=steps_of(old), new=steps_of(new)) for old, new in renamed.items()]
        self._valued = [
            (operation, steps_of(at), compile_json(value, on_response=on_response))
            for operation, values in zip((replace, add, append), valued, strict=True)
            for at, value in values.items()
        ]

    def __bool__(self) -> bool:
        return bool(self._fixed or self._valued)

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts of the request that the values need."""
        return frozenset[Fact]().union(*(value.facts for _, _, value in self._valued))

    def filled(self, seen: Seen) -> Callable[[bytes, str], bytes | None]:
        """The change of one body, given with its charset, with values of its own."""
        valued = (partial(one, at=at, value=value.build(seen)) for one, at, value in self._valued)
        return partial(_changed, [*self._fixed, *valued])


def _changed(operations: Sequence[Operation], body: bytes, charset: str) -> bytes | None:
    value, before = read_exactly(to_utf8(body, charset))
    for operation in operations:
        operation(value)
    after = write_json(value)
    return None if after == before else from_utf8(after, charset, body)
