"""An issuer of tokens, with a key made for this one run."""

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class Issuer:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwks(self) -> str:
        """The public key, as the gateway fetches it."""
        row = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**row, "kid": "demo", "use": "sig", "alg": "ES256"}]})

    def token(self, subject: str) -> str:
        claims = {
            "iss": "https://issuer.example",
            "sub": subject,
            "email": f"{subject}@example.com",
            "exp": int(time.time()) + 600,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "demo"})
