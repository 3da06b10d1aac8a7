"""The base of all plugins that find out who sends a request."""

from abc import abstractmethod
from collections.abc import Awaitable, Hashable
from copy import deepcopy

from pydantic import Field

from outrider.carried import Carried
from outrider.consumer import Consumer, Identity
from outrider.errors import StartError
from outrider.fields import ConsumerName
from outrider.headers import Headers
from outrider.narrow_request import NarrowRequest
from outrider.plugin import Plugin, Reply
from outrider.request import Request
from outrider.response import Refusal, Response
from outrider.runtime import Runtime

IDENTITY_HEADERS = frozenset(
    {
        "x-consumer-id",
        "x-consumer-custom-id",
        "x-consumer-username",
        "x-consumer-groups",
        "x-authenticated-groups",
        "x-credential-identifier",
        "x-anonymous-consumer",
    }
)
"""Names under which only Outrider tells upstream who calls; what downstream sends under them is removed."""

_CONTAINERS = (dict, list)
Outcome = Identity | Response | None


class Auth(Plugin, abstract=True):
    """Authenticates requests. A subclass says what a credential of its kind proves; the base does the rest.

    A good credential sets the consumer and tells upstream in the identity headers. A bad one, or none, is
    answered with the subclass's refusal, unless `anonymous` lets strangers in. Where `anonymous` is set and a
    plugin before this one already found out who calls, that stands (Kong's meaning of several auth plugins).
    Each of several sees what downstream sent, also where one before it has hidden that from upstream.
    """

    anonymous: ConsumerName | None = Field(
        default=None,
        description="The consumer that requests without a good credential are let in as; without it, 401.",
    )

    hide: bool = Field(
        default=True, description="Whether a good credential is removed from what goes upstream; any other always is."
    )

    @abstractmethod
    def authenticate(self, request: Request, /) -> Outcome | Awaitable[Outcome]:
        """What the request's credential proves: an `Identity`, a refusal, or None for no credential of this kind."""

    @abstractmethod
    def challenge(self) -> str:
        """The value of `www-authenticate` for a request without a credential (RFC 9110, section 11.6.1)."""

    @abstractmethod
    def hide_credential(self, request: Request, /) -> None:
        """Removes every credential of this kind from what goes upstream."""

    def carrier(self) -> Hashable:
        """What the credential travels in, the same for plugins that look for theirs in the same places.

        Where one of these let a request in, the others leave the credential to it.
        """
        return id(self)

    def refuse(self, message: str = "Unauthorized", challenge: str | None = None) -> Refusal:
        """The 401 for a bad credential. Say no more than the credential's RFC asks for."""
        return Refusal(401, message, headers={"www-authenticate": challenge or self.challenge()})

    async def start(self, runtime: Runtime, /) -> None:
        """Finds the anonymous consumer."""
        self._stranger = runtime.consumers.named(self.anonymous) if self.anonymous else None
        if self.anonymous and self._stranger is None:
            raise StartError(f"anonymous: no consumer is called {self.anonymous!r}")

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        carried = request.carried
        if self.anonymous and request.credential is not None:
            if carried is None or self.carrier() not in carried.by:
                self._hide(request)
            return None
        outcome = self.authenticate(request if carried is None else self._seen(request, carried))
        # Asking for Awaitable is dear, and the answer nearly always no.
        if isinstance(outcome, Identity) or not isinstance(outcome, Awaitable):
            return self._decide(request, outcome)
        return self._wait(request, outcome)

    def _seen(self, request: Request, carried: Carried) -> Request:
        """The request with what others have hidden, and no more of it than this plugin may see."""
        seen = carried.seen(request)
        hidden = self.needs().hidden() if seen is not request else {}
        return NarrowRequest(seen, hidden) if hidden else seen

    async def _wait(self, request: Request, outcome: Awaitable[Outcome]) -> Reply:
        return self._decide(request, await outcome)

    def _decide(self, request: Request, outcome: Outcome) -> Reply:
        if isinstance(outcome, Identity):
            admit(request, outcome)
            if request.carried is not None:
                request.carried.by.add(self.carrier())
            if self.hide:
                self._hide(request)
            return None
        refusal = self.refuse() if outcome is None else outcome
        if self._stranger is None or not _is_rejection(refusal):
            return refusal
        request.challenges += tuple(refusal.headers.get_all("www-authenticate"))
        admit_stranger(request, self._stranger)
        self._hide(request)
        return None

    def _hide(self, request: Request) -> None:
        if request.carried is None:
            self.hide_credential(request)
        else:
            request.carried.hide(request, self.hide_credential)


def _is_rejection(refusal: object) -> bool:
    """Whether a credential was found bad or absent. Any other answer, as that it can't be checked now, is given."""
    return isinstance(refusal, Response) and refusal.status in (400, 401, 403)


def admit(request: Request, identity: Identity) -> None:
    """Records who calls and tells upstream. Raises `HeaderError`, before any change, for what no header can say."""
    told = identity.told()
    request.consumer = identity.consumer
    request.credential = identity.credential
    request.challenges = ()
    # An identity can be remembered: what a plugin writes into the claims must not reach the next request.
    request.claims = {
        name: deepcopy(claim) if type(claim) in _CONTAINERS else claim for name, claim in identity.claims.items()
    }
    request.headers.strip(IDENTITY_HEADERS)
    if request.carried is not None:
        request.headers.strip(request.carried.told)
        request.carried.told = frozenset(name.lower().replace("_", "-") for name in identity.headers)
    request.headers.put(told)


def admit_stranger(request: Request, stranger: Consumer) -> None:
    """Lets a request without a good credential in as the anonymous consumer."""
    request.consumer, request.credential, request.claims = stranger, None, {}
    request.headers.strip(IDENTITY_HEADERS)
    request.headers.put(Headers({**stranger.headers(), "x-anonymous-consumer": "true"}))
