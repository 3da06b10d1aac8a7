"""A request as a plugin sees it that does not need all of its facts."""

from collections.abc import Mapping

from outrider.errors import UndeclaredError
from outrider.request import Request


class NarrowRequest(Request):
    """The same request for a plugin whose `needs()` leaves facts out: touching one of these is an error."""

    __slots__ = ("_hidden", "_whole")

    def __init__(self, whole: Request, hidden: Mapping[str, str]) -> None:
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_hidden", hidden)

    def __getattribute__(self, name: str) -> object:
        get = object.__getattribute__
        if fact := get(self, "_hidden").get(name):
            raise UndeclaredError(f"request.{name} needs the fact {fact!r}: add it to needs() of this plugin")
        return getattr(get(self, "_whole"), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_whole"), name, value)
