"""A plugin that needs the whole body."""

import hmac
from hashlib import sha256

from pydantic import SecretStr

from outrider import Plugin, Refusal, Request


class SignedBody(Plugin):
    """Lets a request on only if its x-signature is the HMAC-SHA256 of the body, in hexadecimal digits."""

    secret: SecretStr
    """The secret that the sender shares with us; in a file, {vault://env/NAME}."""

    def on_request_body(self, request: Request, body: bytes) -> Refusal | None:
        wanted = hmac.new(self.secret.get_secret_value().encode(), body, sha256).hexdigest()
        given = request.headers.get("x-signature", "")
        if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape")):
            return Refusal(401, "Unauthorized", headers={"www-authenticate": "Signature"})
        return None
