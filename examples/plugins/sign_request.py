"""Signs a request for examples/plugins/signature-auth.yaml and prints its headers for curl.

python examples/plugins/sign_request.py POST http://127.0.0.1:8080/orders '{"item": 7}'
"""

import os
import sys
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from http_message_signatures.algorithms import HMAC_SHA256  # pyright: ignore[reportPrivateImportUsage]
from http_message_signatures.resolvers import MappingKeyResolver
from http_message_signatures.signatures import HTTPMessageSigner

KEY_ID = "nightly-export"


@dataclass
class Message:
    """What the library signs; requests of `requests` and the like will do, too."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


def sign(method: str, url: str, body: bytes, secret: bytes) -> dict[str, str]:
    """The headers that the request needs."""
    keys = MappingKeyResolver(public_keys={}, private_keys={KEY_ID: secret})
    signer: Any = HTTPMessageSigner(signature_algorithm=HMAC_SHA256, key_resolver=keys)
    message = Message(method, url)
    signer.sign(
        message,
        key_id=KEY_ID,
        nonce=str(uuid4()),
        label="sig",
        covered_component_ids=("@method", "@authority", "@path", "@query"),
        body=body or None,
    )
    return message.headers


if __name__ == "__main__":
    method, url, *body = sys.argv[1:]
    for name, value in sign(method, url, "".join(body).encode(), os.environ["EXPORT_SECRET"].encode()).items():
        print(f"{name}: {value}")
