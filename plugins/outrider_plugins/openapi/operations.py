"""One operation of an API: what its requests and responses have to look like."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from outrider import Headers
from outrider_plugins.openapi.bodies import Body
from outrider_plugins.openapi.findings import Finding
from outrider_plugins.openapi.parameters import Parameter, unknown
from outrider_plugins.openapi.parts import Parts
from outrider_plugins.openapi.values import BadTextError


@dataclass(frozen=True, slots=True)
class ResponseShape:
    """What a response of one status has; `body` is None where the document says nothing about it."""

    headers: Sequence[Parameter]
    body: Body | None

    def findings(self, headers: Headers) -> Iterator[Finding]:
        """What is wrong with the headers of a response."""
        parts = Parts({}, "", headers)
        return (finding for one in self.headers for finding in one.findings(parts))


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `closed` operations have no other parameters in the query than those that the document names; `keys` are names
    there that carry credentials, for other plugins to check.
    """

    method: str
    template: str
    parameters: Sequence[Parameter]
    body: Body | None
    responses: Mapping[str, ResponseShape]
    keys: frozenset[str] = frozenset()

    def findings(self, parts: Parts, *, closed: bool) -> list[Finding]:
        """What is wrong with a request, but for its body."""
        found = [finding for one in self.parameters for finding in one.findings(parts)]
        if closed:
            found += self._unknown(parts)
        return found

    def shape(self, status: int) -> ResponseShape | None:
        """What a response of that status has; None if the document has none (OpenAPI 3.1.1, Responses Object)."""
        told = self.responses
        return told.get(str(status)) or told.get(f"{status // 100}XX") or told.get("default")

    def _unknown(self, parts: Parts) -> list[Finding]:
        try:
            names = [name for name in unknown(self.parameters, parts.query) if name not in self.keys]
        except BadTextError as error:
            return [Finding("query", "", "", f"has a name that {error}")]
        return [Finding("query", name[:64], "", "is not declared") for name in names]
