"""The plugin acl: who may come in, by group."""

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field, model_validator

from outrider import Consumers, Needs, Plugin, Refusal, Request, Runtime
from outrider.consumer import JSON
from outrider_plugins.claims import fits_into_list
from outrider_plugins.members import member

Group = Annotated[str, Field(min_length=1, max_length=1000)]
Groups = Annotated[list[Group], Field(min_length=1, max_length=10_000)]

_REMEDY = "rename it (no comma, no quote, no space around it, nothing invisible), or set hide_groups_header"


class Acl(Plugin):
    """Lets requests in by the groups of whoever calls: those that `allow` has, or all but those that `deny` has.

    Groups are the consumer's `acls`, and with `claim` those that a token carries. A request of nobody gets 401, any
    other that is not let in 403.
    """

    priority: ClassVar[int] = 950

    allow: Groups | None = None
    """Who is let in: whoever is in one of these groups, and nobody else."""
    deny: Groups | None = None
    """Who is refused: whoever is in one of these groups. All others that auth plugins let in stay in."""
    claim: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """The claim that holds groups too, a text or a list of texts; a dot leads into an object: realm_access.roles."""
    hide_groups_header: bool = False
    """Whether upstream is not told the groups."""

    @model_validator(mode="after")
    def _has_one_list(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("decides by one list: give allow or deny, and not both")
        if (bad := self._unfit(self.allow or self.deny or ())) is not None:
            raise ValueError(f"upstream would read the group {bad!r} as another one or as two: {_REMEDY}")
        return self

    def needs(self) -> Needs:
        return Needs(facts=frozenset() if self.hide_groups_header else frozenset({"headers"}))

    def check(self, consumers: Consumers, /) -> None:
        for one in consumers:
            if (bad := self._unfit(one.acls)) is not None:
                raise ValueError(
                    f"upstream would read the group {bad!r} of {one.name} as another one or as two: {_REMEDY}"
                )

    async def start(self, _: Runtime, /) -> None:
        self._listed = frozenset(self.allow or self.deny or ())

    def on_request(self, request: Request, /) -> Refusal | None:
        value = member(request.claims, self.claim) if self.claim else None
        claimed = _texts(value)
        if claimed is None or (request.consumer is None and value is None):
            return _refuse(request)
        own = request.consumer.acls if request.consumer else ()
        is_listed = not (self._listed.isdisjoint(own) and self._listed.isdisjoint(claimed))
        if is_listed is (self.allow is None):
            return Refusal(403, "Forbidden") if own or claimed else _refuse(request)
        return None if self.hide_groups_header else self._tell(request, own, claimed)

    def _tell(self, request: Request, own: Sequence[str], claimed: Sequence[str]) -> Refusal | None:
        if own:
            request.headers["x-consumer-groups"] = ", ".join(own)
        if claimed:
            if self._unfit(claimed) is not None:
                return Refusal(403, "Forbidden")
            request.headers["x-authenticated-groups"] = ", ".join(claimed)
        return None

    def _unfit(self, groups: Iterable[str]) -> str | None:
        """The first group that upstream would read as another one, or as two (RFC 9110, section 5.6.1)."""
        return None if self.hide_groups_header else next((one for one in groups if not fits_into_list(one)), None)


def _texts(value: JSON) -> Sequence[str] | None:
    """The groups in a claim: one text is one group, whatever is in it. None for what holds no groups."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value)):
        return cast("list[str]", value)
    return None


def _refuse(request: Request) -> Refusal:
    """A good credential that is not enough gets 403; where there is none, a better one may help."""
    return Refusal(401, "Unauthorized") if request.credential is None else Refusal(403, "Forbidden")
