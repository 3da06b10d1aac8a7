"""The plugin basic-auth: consumers prove who they are with a user name and a password (RFC 7617)."""

import binascii
import re
from collections.abc import Awaitable, Sequence
from typing import ClassVar

from outrider import Auth, Consumers, Credential, Identity, Refusal, Request, Runtime
from outrider_plugins.authorization import Scheme
from outrider_plugins.password_pool import PoolFullError, shared_pool
from outrider_plugins.password_verifier import PasswordVerifier, Row, Users
from outrider_plugins.passwords import Stored, stored_password

LONGEST = 4 * 1024
"""The longest credential that is looked at, in characters of base64."""

_BASIC = Scheme("basic")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class BasicAuth(Auth):
    """Lets requests in that carry the user name and the password of a consumer in `authorization: Basic`.

    They are the consumers' `basicauth_credentials`. A password stands there as an Argon2 or bcrypt hash, as `sha256:`
    and 64 hexadecimal digits, or in clear. Hashes are verified beside the event loop, and good passwords remembered;
    where too many wait to be verified, further ones get 503.
    """

    priority: ClassVar[int] = 1100

    def check(self, consumers: Consumers, /) -> None:
        costly = consumers.once(_users).costliest
        if costly is not None and costly.stored.cost > self.timeout / 2000:
            raise ValueError(
                f"a basicauth_credentials password of {_owner(costly.credential)} takes about "
                f"{costly.stored.cost:.1f} s to verify and timeout is {self.timeout / 1000:g} s: "
                "hash it at less cost, or raise timeout to twice as much"
            )

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._verifier = PasswordVerifier(runtime.consumers.once(_users), shared_pool())

    def authenticate(self, request: Request, /) -> Identity | Refusal | Awaitable[Identity | Refusal] | None:
        credentials = request.headers.get_all("authorization")
        text = _only_user_pass(credentials)
        if text is None:
            return self.refuse() if _BASIC.is_in(credentials) else None
        username, _, password = text.partition(":")
        verified = self._verifier.verify(username, password)
        if verified is None or isinstance(verified, Identity):
            return verified or self.refuse()
        return self._hashed(verified)

    def challenge(self) -> str:
        return 'Basic realm="outrider", charset="UTF-8"'

    def hide_credential(self, request: Request, /) -> None:
        _BASIC.remove(request)

    async def _hashed(self, verified: Awaitable[Identity | None]) -> Identity | Refusal:
        try:
            return await verified or self.refuse()
        except PoolFullError:
            return Refusal(503, "Passwords can't be checked now", headers={"retry-after": "1"})


def _users(consumers: Consumers) -> Users:
    """The users of the file. Raises `ValueError` for a password that nobody could come in with."""
    rows: dict[str, Row] = {}
    for credential in consumers.credentials("basicauth_credentials"):
        username = _sendable("username", str(credential.fields["username"]), credential)
        if username in rows:
            others = f"{_owner(rows[username].credential)} and {_owner(credential)}"
            raise ValueError(f"basicauth_credentials of {others} have the same username: give each its own")
        rows[username] = Row(credential, _stored(credential))
    return Users(rows)


def _stored(credential: Credential) -> Stored:
    text = _sendable("password", credential.secret("password"), credential)
    try:
        return stored_password(text)
    except ValueError as error:
        raise ValueError(f"a basicauth_credentials password of {_owner(credential)} {error}") from None


def _sendable(field: str, text: str, credential: Credential) -> str:
    if _CONTROL.search(text) or (field == "username" and ":" in text):
        raise ValueError(
            f"a basicauth_credentials {field} of {_owner(credential)} holds what can't be sent "
            "(a control character, or a colon in a user name): choose another"
        )
    return text


def _owner(credential: Credential) -> str:
    return credential.consumer.name


def _only_user_pass(credentials: Sequence[str]) -> str | None:
    """The user name, a colon and the password (RFC 7617, section 2) of the only credential, if it is well-formed."""
    encoded = _BASIC.only(credentials)
    if encoded is None or len(encoded) > LONGEST:
        return None
    text = _decoded(encoded)
    return text if text is not None and ":" in text and not _CONTROL.search(text) else None


def _decoded(encoded: str) -> str | None:
    """UTF-8 out of base64, of whose spellings only the usual one counts (RFC 4648, section 3.5)."""
    try:
        raw = binascii.a2b_base64(encoded, strict_mode=True)
        return raw.decode() if binascii.b2a_base64(raw, newline=False).decode() == encoded else None
    except ValueError:
        return None
