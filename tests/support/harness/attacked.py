"""A gateway that tokens attack: whom it trusts, the keys that it knows, and its routes."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from harness.outrider import Config, plugin, service
from harness.tokens import ALICES_SECRET, Issuer, in_a_day
from signing import Signer, jwks

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "HS256")
REQUIRED: Config = {
    "required_scopes": ["read", "write"],
    "required_claims": {"tenant": "acme", "admin": True, "team": []},
}
CONSUMERS: list[Config] = [
    {"username": "alice", "jwt_secrets": [{"key": "alices-own", "secret": ALICES_SECRET}]},
    {"username": "guest"},
]
"""Those of `harness.sample` that matter here."""


class Party(Issuer):
    """An issuer with the header and the claims that its tokens usually have."""

    def __init__(self, algorithm: str, number: int = 0, *, name: str | None = None, typ: str | None = None) -> None:
        super().__init__(algorithm, number)
        self.name = name or self.name
        self.signer = self._signer
        self.typ = typ
        self.usual: dict[str, Any] = {"iss": self.name, "sub": "alice", "exp": in_a_day()}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a token of alice says, with changes."""
        return {**self.usual, **changed}

    def signed(self, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        """A token with a good signature, whatever it says."""
        return self.signer.token(self.claims(**changed), **{"typ": self.typ, **(header or {})})


class World:
    """The issuers that are trusted: one for each algorithm, one for a single audience, and one with odd keys."""

    def __init__(self) -> None:
        orders = Party("ES256", 7, name="https://orders.example", typ="at+jwt")
        orders.usual["aud"] = "orders"
        self.keys = _odd_keys()
        self.parties = {name: Party(name) for name in ALGORITHMS} | {"orders": orders}
        self.mallory = {name: Party(name, 2) for name in ALGORITHMS}
        """Somebody who uses the issuers' names with keys of their own."""

    def __getitem__(self, name: str) -> Party:
        return self.parties[name]

    @property
    def signers(self) -> list[Signer]:
        """Every key that some issuer signs with."""
        alice = Signer("HS256", None)
        return [*(party.signer for party in self.parties.values()), *self.keys.values(), alice]

    def by(self, kid: str) -> str:
        """A token of the issuer with odd keys, signed with one of them."""
        claims = {"iss": "https://keys.example", "sub": "alice", "exp": in_a_day()}
        return self.keys[kid].token(claims)

    def alices_own(self, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        """A token that alice signs with the secret which the file gives her."""
        claims = {"iss": "alices-own", "exp": in_a_day(), **changed}
        return Signer("HS256", None).token(claims, **(header or {}))


def _odd_keys() -> dict[str, Signer]:
    keys = {
        "enc": Signer("RS256", "enc", number=1),
        "sign": Signer("ES256", "sign", number=9),
        "other-alg": Signer("RS256", "other-alg", number=0),
        "weak": Signer("RS256", "weak"),
        "cube": Signer("RS256", "cube"),
        "short": Signer("HS256", "short"),
    }
    keys["weak"].private = rsa.generate_private_key(65537, 1024)  # noqa: S505 - an attack
    keys["cube"].private = rsa.generate_private_key(3, 2048)
    keys["short"].private = b"secret"
    return keys


_MEMBERS: Mapping[str, Config] = {
    "enc": {"use": "enc"},
    "sign": {"key_ops": ["sign"]},
    "other-alg": {"alg": "PS256"},
}


@cache
def world() -> World:
    """The only one of a process: keys take time."""
    return World()


def attacked(upstream: int, folder: Path) -> list[Config]:
    """/attacked and /attacked-scoped, and each with `-guests` for the same where strangers are let in."""
    issuers = _trusted(folder)
    places: Config = {"query": "token", "cookie": "session", "claims_to_headers": {"email": "x-email"}}
    return [
        service(f"attacked{what}{who}", upstream, plugin("jwt-auth", issuers=issuers, **places, **rules, **strangers))
        for what, rules in {"": dict[str, Any](), "-scoped": REQUIRED}.items()
        for who, strangers in {"": dict[str, Any](), "-guests": {"anonymous": "guest"}}.items()
    ]


def _trusted(folder: Path) -> list[Config]:
    keys = [signer.row(**_MEMBERS.get(kid, {})) for kid, signer in world().keys.items()]
    (folder / "attacked-keys.json").write_bytes(jwks(*keys))
    trusted = [
        {"issuer": "https://keys.example", "jwks": "attacked-keys.json", "algorithms": ["RS256", "ES256", "HS256"]}
    ]
    for name, party in world().parties.items():
        (folder / f"attacked-{name}.json").write_text(party.jwks())
        fields = {"audiences": ["orders"], "types": ["at+jwt"]} if name == "orders" else {}
        if name == "HS256":
            fields["algorithms"] = ["HS256"]
        trusted.append({"issuer": party.name, "jwks": f"attacked-{name}.json", **fields})
    return trusted
