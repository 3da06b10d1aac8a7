"""The plugin signature-auth: requests that their senders have signed (RFC 9421)."""

import logging
import re
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from outrider import Auth, Identity, Needs, Refusal, Reply, Request, Runtime
from outrider.auth import Outcome
from outrider.counting import Namespace, StorageAddress
from outrider.needs import Hook
from outrider_plugins.counting.opening import MEMORY, known_address, longest_wait, open_storage
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.counting.watched import uncounted_counter
from outrider_plugins.signatures.keys import Key
from outrider_plugins.signatures.replays import Replays, folder_of

_log = logging.getLogger("outrider.plugin.signature-auth")
_STATE = "signature-auth"

_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,200}")
_DERIVED = ("@method", "@authority", "@scheme", "@target-uri", "@request-target", "@path", "@query")
"""Of the components of RFC 9421, section 2.2, those that a request always has."""


def _component(name: str) -> str:
    if name.startswith("@") and name not in _DERIVED:
        raise ValueError(f"{name!r} is no derived component of every request: choose from {', '.join(_DERIVED)}")
    if name not in _DERIVED and not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is no header's name in lower case: write it as in content-type")
    return name


Component = Annotated[str, AfterValidator(_component)]
Tag = Annotated[str, Field(pattern=r"^[ -~]{1,256}$")]


class SignatureAuth(Auth):
    """Lets requests in that carry one good HTTP Message Signature (RFC 9421) by a known key.

    The signature says when it was made, is not old, covers what it must, the body too, and was not used before.
    """

    priority: ClassVar[int] = 1030

    keys: Annotated[list[Key], Field(min_length=1, max_length=1000)]
    """The keys, each with `id`, `algorithm`, `public_key` or `secret`, and `consumer`."""
    components: Annotated[list[Component], Field(min_length=1, max_length=32)] = [
        "@method",
        "@authority",
        "@path",
        "@query",
    ]
    """What a signature must cover at least: derived components and headers. `@target-uri` stands for `@scheme`,
    `@authority`, `@path` and `@query`, `@request-target` for `@path` and `@query`."""
    digest: Literal["required", "off"] = "required"
    """Whether a body needs a `content-digest` that the signature covers; with `off` bodies are not looked at."""
    max_age: int = Field(default=300, ge=1, le=86_400)
    """How long after `created` a signature is good, in seconds."""
    leeway: int = Field(default=5, ge=0, le=300)
    """How far the clock of a signer may be from ours, in seconds."""
    tag: Tag | None = None
    """The `tag` that a signature must have; null for any or none."""
    label: Annotated[str, Field(pattern=r"^[a-z*][a-z0-9_.*-]{0,63}$")] | None = None
    """The label that the signature has in its header; null for any. It is not signed: `tag` is."""
    nonce: Literal["required", "optional", "off"] = "optional"
    """What tells one request from a copy: a `nonce` that every signature has, or the nonce where there is one, and
    else all that is signed. With `off` copies are let in as long as the signature is good."""
    hide: bool = Field(
        default=False,
        description="Whether a good signature is removed from what goes upstream; any other always is.",
    )
    storage: Annotated[StorageAddress, AfterValidator(known_address)] = MEMORY
    """Where used signatures are remembered: `memory` (shared by all workers of this machine), or the address of a
    Redis or Valkey that several machines share."""
    storage_timeout: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How long a Redis or Valkey may take to answer, in milliseconds."""
    namespace: Namespace = "outrider"
    """What keeps several gateways apart that share a Redis."""
    on_storage_error: Literal["deny", "allow"] = "deny"
    """What becomes of a good request where nobody can say whether it is a copy: refused with 503, or let on."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        ids = [key.id for key in self.keys]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"two keys have the id {twice[0]}: rename one")
        waits = longest_wait(self.storage, self.storage_timeout)
        if self.on_storage_error == "allow" and waits >= self.timeout:
            raise ValueError(
                f"to ask for copies may take {waits} ms, and the hook has only {self.timeout}, so that "
                "on_storage_error would never decide: lower storage_timeout, or give a longer timeout"
            )
        self._verifier = self._made_verifier()
        return self

    def _made_verifier(self) -> Any:
        try:
            # Only here, since it is an extra.
            from outrider_plugins.signatures import verifier
        except ImportError:
            raise ValueError(
                "verifies by the package http-message-signatures: install outrider[signatures]"
            ) from None
        self._covers, self._bad = verifier.covers, verifier.BadSignatureError
        wanted = verifier.Wanted(
            frozenset(self.components),
            self.max_age,
            self.leeway,
            self.tag,
            self.label,
            nonce=self.nonce == "required",
        )
        return verifier.Verifier(self.keys, wanted)

    def needs(self) -> Needs:
        hooks: set[Hook] = {"on_request"} if self.digest == "off" else {"on_request", "on_request_body"}
        return Needs(facts=frozenset({"headers", "method", "path", "host"}), hooks=frozenset(hooks))

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._consumers = {
            key.id: None if key.consumer is None else runtime.consumers.named(key.consumer) for key in self.keys
        }
        self._replays = self._opened(runtime) if self.nonce != "off" else None
        if self._replays is not None and self.storage != MEMORY:
            runtime.spawn(_look(self._replays))

    def _opened(self, runtime: Runtime) -> Replays:
        storage = open_storage(
            self.storage,
            folder_of(runtime.shared),
            _log,
            uncounted_counter(runtime.metrics, _STATE),
            on_error=self.on_storage_error,
            timeout=self.storage_timeout / 1000,
            namespace=self.namespace,
        )
        return Replays(storage, self.max_age + 2 * self.leeway + 1)

    async def stop(self) -> None:
        if self._replays is not None:
            await self._replays.close()

    def authenticate(self, request: Request, /) -> Outcome | Awaitable[Outcome]:
        try:
            verified = self._verifier.verify(request)
        except self._bad:
            return self.refuse()
        if verified is None:
            return None
        identity = Identity(verified.key.id, self._consumers[verified.key.id])
        if self.digest == "off":
            return self._unless_used(verified.identity, identity)
        request.context[_STATE] = {"digests": verified.digests, "identity": verified.identity.hex()}
        return identity

    def on_request_body(self, request: Request, body: bytes, /) -> Reply | Awaitable[Reply]:
        state = request.context.pop(_STATE, None)
        if state is None:  # Another plugin let it in, or `anonymous`.
            return None
        # The digest first: who copies a request with another body must not use up the true one's signature.
        if (body or state["digests"]) and not self._covers(state["digests"], body):
            return self._reply(request, self._refuse_body() if body else self.refuse())
        outcome = self._unless_used(bytes.fromhex(state["identity"]), None)
        return self._wait_body(request, outcome) if isinstance(outcome, Awaitable) else self._reply(request, outcome)

    def challenge(self) -> str:
        return "Signature"

    def refuse(self, message: str = "Unauthorized", challenge: str | None = None) -> Refusal:
        return self._tell(super().refuse(message, challenge), self.components)

    def hide_credential(self, request: Request, /) -> None:
        request.headers.discard("signature-input")
        request.headers.discard("signature")

    def _refuse_body(self) -> Refusal:
        return self._tell(super().refuse(), [*self.components, "content-digest"])

    def _tell(self, refusal: Refusal, components: Sequence[str]) -> Refusal:
        """With what a signature must cover (RFC 9421, section 5)."""
        tag = "" if self.tag is None else f";tag={_quoted(self.tag)}"
        names = " ".join(map(_quoted, dict.fromkeys(components)))
        refusal.headers["accept-signature"] = f"{self.label or 'sig'}=({names});created;keyid{tag}"
        return refusal

    def _unless_used(self, identity: bytes, outcome: Outcome) -> Outcome | Awaitable[Outcome]:
        """The outcome of a signature that was not used before, or else a refusal."""
        if self._replays is None:
            return outcome
        try:
            is_first = self._replays.is_first(identity)
        except StorageError:
            return self._unknown(outcome)
        if isinstance(is_first, bool):
            return outcome if is_first else self.refuse()
        return self._wait_first(is_first, outcome)

    async def _wait_first(self, is_first: Awaitable[bool], outcome: Outcome) -> Outcome:
        try:
            return outcome if await is_first else self.refuse()
        except StorageError:
            return self._unknown(outcome)

    def _unknown(self, outcome: Outcome) -> Outcome:
        if self.on_storage_error == "allow":
            return outcome
        return Refusal(503, "Signatures can't be remembered at the moment", headers={"retry-after": "1"})

    async def _wait_body(self, request: Request, outcome: Awaitable[Outcome]) -> Reply:
        return self._reply(request, await outcome)

    def _reply(self, request: Request, refusal: Outcome) -> Reply:
        return None if refusal is None else self._decide(request, refusal)


async def _look(replays: Replays) -> None:
    with suppress(StorageError):
        await replays.look()


def _quoted(text: str) -> str:
    """A String (RFC 9651, section 4.1.6)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
