"""What an authorization server says of opaque tokens: their text is whose they are."""

from typing import Any
from urllib.parse import parse_qs

GOOD, EVIL = "opaque-token-of-", "withdrawn-token-of-"
CLIENT_SECRET = "what the gateway proves itself with"


def introspected(body: bytes) -> dict[str, Any]:
    """The answer to a question (RFC 7662, section 2.2)."""
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    token = form["token"]
    if form.get("client_secret") != CLIENT_SECRET or not token.startswith(GOOD):
        return {"active": False}
    who = token.removeprefix(GOOD)
    return {
        "active": True,
        "sub": who,
        "scope": "read write" if who == "alice" else "read",
        "email": f"{who}@b.example",
    }
