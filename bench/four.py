"""The chain of four plugins that everything is measured with, and the request that it lets on.

A token with RS256 that was seen before, a rate limit by consumer, five changes of headers, a traceparent.
"""

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from signing import Signer, jwks

ISSUER = "https://issuer.example"
REMOVED = "x-internal"
WRITTEN = {
    "replace": {"x-stage": "production"},
    "add": {"x-gateway": "outrider", "x-region": "north"},
    "append": {"x-hops": "gateway"},
}
"""Together the five changes that request-transform makes."""
SENT = {REMOVED: "yes", "x-stage": "test", "x-hops": "browser"}
"""The headers from downstream that they change."""
LIMIT = 1_000_000_000


@dataclass(frozen=True)
class Four:
    """The chain, with an issuer of tokens whose keys lie in `folder`."""

    folder: Path
    signer: Signer = field(default_factory=lambda: Signer("RS256", "bench"))

    @cached_property
    def keys(self) -> str:
        """The issuer's public keys (RFC 7517)."""
        return jwks(self.signer.row(use="sig", alg="RS256")).decode()

    @cached_property
    def headers(self) -> dict[str, str]:
        """What downstream sends."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": "alice", "email": "alice@example.com", "iat": now, "exp": now + 7200}
        return {"authorization": f"Bearer {self.signer.token(json.dumps(claims).encode())}", **SENT}

    @cached_property
    def plugins(self) -> list[dict[str, Any]]:
        """The plugins as the file has them."""
        file = self.folder / "jwks.json"
        file.write_text(self.keys)
        changes = {"remove": {"headers": [REMOVED]}, **{verb: {"headers": new} for verb, new in WRITTEN.items()}}
        return [
            {"name": "jwt-auth", "config": {"issuers": [{"issuer": ISSUER, "jwks": str(file)}]}},
            {"name": "rate-limit", "config": {"limit": LIMIT, "window": 3600, "by": "consumer"}},
            {"name": "request-transform", "config": changes},
            {"name": "tracing", "config": {"sample": 0}},
        ]
