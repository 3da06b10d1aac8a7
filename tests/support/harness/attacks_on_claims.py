"""Attacks on claims and times: every token is well signed by an issuer, and says what must not be believed."""

import time
from collections.abc import Iterable
from typing import Any

from harness.attack import Attack, Sent, bearer
from harness.attacked import World
from harness.telling import Make, headed, saying, with_number, without

NOW = int(time.time())
DAY = 86_400

TIME = "a time is a finite number (RFC 7519, section 2)"
AUDIENCE = "aud must name one of the audiences, whole"
ISSUER = "iss is text, and equal to the whole name"
ESCAPED = "claims that can't stand in their header make the token bad"


def own(**claims: Any) -> Make:
    return lambda world: world.alices_own(**claims)


def spoofed(world: World) -> Sent:
    """A token that is over, and beside it what a gateway would say of a good one."""
    names = ("x-consumer-username", "x-consumer-id", "x-credential-identifier", "x-email", "X_Consumer_Username")
    return bearer(world["ES256"].signed(exp=NOW - 1), *((name, "root") for name in names))


def _times() -> Iterable[Attack]:
    odd: dict[str, Any] = {
        "text": str(NOW + DAY),
        "true": True,
        "null": None,
        "a list": [NOW + DAY],
        "an object": {"$gt": 0},
        "empty text": "",
        "beyond any float": 10**400,
    }
    for claim in ("exp", "nbf", "iat"):
        for what, value in odd.items():
            yield Attack(f"{claim} as {what}", "RFC 7519, section 2", TIME, saying("ES256", **{claim: value}))
        for number in ("NaN", "Infinity", "-Infinity", "1e400", "0x7fffffff"):
            yield Attack(f"{claim} as {number}", "RFC 8259, section 6", TIME, with_number(claim, number))


def _audiences() -> Iterable[Attack]:
    odd: dict[str, Any] = {
        "of somebody else": "payments",
        "that begins alike": "orders-admin",
        "that is part of ours": "order",
        "in another case": "Orders",
        "with a space": "orders ",
        "that is empty": "",
        "that is an empty list": [],
        "in a list of lists": [["orders"]],
        "in an object": {"orders": True},
        "that is null": None,
        "that is true": True,
        "in one text with another": "payments orders",
        "that is a pattern": "*",
    }
    for what, value in odd.items():
        yield Attack(f"an audience {what}", "RFC 7519, section 4.1.3", AUDIENCE, saying("orders", aud=value))
    yield Attack("no audience", "RFC 8725, section 3.9", AUDIENCE, without("aud", "orders"))
    yield Attack(
        "an audience where none is ours",
        "RFC 7519, section 4.1.3",
        "where no audiences are configured, a token with one is refused",
        saying("ES256", aud="orders"),
    )


def _issuers() -> Iterable[Attack]:
    name = "https://es256.example"
    odd: dict[str, Any] = {
        "with a slash": f"{name}/",
        "in another case": "https://ES256.example",
        "that begins alike": f"{name}.evil.example",
        "that is part of ours": "https://es256",
        "in a list": [name],
        "in an object": {name: True},
        "with NUL": f"{name}\0",
        "with a space": f" {name}",
        "with a fragment": f"{name}#",
        "that is null": None,
        "that is empty": "",
        "that looks alike": name.replace("e", "\u0435"),
        "that is a name of the language": "__proto__",
    }
    for what, value in odd.items():
        yield Attack(
            f"an issuer {what}", "RFC 7519, section 4.1.1; CVE-2024-53861", ISSUER, saying("ES256", iss=value)
        )
    yield Attack("no issuer", "RFC 8725, section 3.8", ISSUER, without("iss"))
    subjects: dict[str, Any] = {"a number": 0, "an object": {"username": "alice"}, "a list": ["alice"], "true": True}
    for what, value in subjects.items():
        yield Attack(
            f"a subject that is {what}", "RFC 7519, section 4.1.2", "sub is text", saying("ES256", sub=value)
        )


def _types() -> Iterable[Attack]:
    stop = "where types are configured, typ must be one of them"
    types: dict[str, Any] = {
        "JWT": "JWT",
        "an identity token's": "id+jwt",
        "a logout token's": "logout+jwt",
        "that begins alike": "at+jwt2",
        "with a space": "at+jwt ",
        "with parameters": "at+jwt;x=1",
        "of another family": "text/at+jwt",
        "that is missing": None,
    }
    for what, value in types.items():
        yield Attack(
            f"a type {what}", "RFC 8725, section 3.11; RFC 9068, section 4", stop, headed("orders", typ=value)
        )
    no_types: dict[str, Any] = {"a list": ["at+jwt"], "true": True}
    for what, value in no_types.items():
        yield Attack(f"a type as {what}", "RFC 7515, section 4.1.9", "typ is text", headed("orders", typ=value))


def _in_headers() -> Iterable[Attack]:
    for what, text in {
        "CR LF": "a\r\nx-admin: true",
        "LF": "a\nx-admin: true",
        "CR": "a\rb",
        "NUL": "a\0b",
        "DEL": "a\x7fb",
    }.items():
        yield Attack(f"{what} in a claim for a header", "RFC 9110, section 5.5", ESCAPED, saying("ES256", email=text))
        yield Attack(f"{what} in the subject", "RFC 9110, section 5.5", ESCAPED, saying("ES256", sub=text))
    yield Attack(
        "CR LF in a list for a header",
        "RFC 9110, section 5.5",
        ESCAPED,
        saying("ES256", email=["a", "b\r\nx-admin: true"]),
    )
    yield Attack(
        "the headers of a good token beside one that is over",
        "RFC 8725, section 3.10",
        "only Outrider says who calls: such headers are removed",
        spoofed,
    )


def _scopes() -> Iterable[Attack]:
    good: dict[str, Any] = {"scope": "read write", "tenant": "acme", "admin": True, "team": "a"}
    scope = "a scope is a whole word between spaces, or a whole text in a list"
    claim = "a required claim is compared as JSON has it, whole"
    scopes: dict[str, dict[str, Any]] = {
        "is part of another": {"scope": "read writer"},
        "has another case": {"scope": "read WRITE"},
        "is joined by a comma": {"scope": "read,write"},
        "is joined by a tab": {"scope": "read\twrite"},
        "is in a list in a list": {"scope": [["read", "write"]]},
        "is in one text of a list": {"scope": ["read write"]},
        "is a name in an object": {"scope": {"read": 1, "write": 1}},
        "is a pattern": {"scope": "*"},
        "is in the other claim": {"scope": "", "scp": "read write"},
        "is half in each claim": {"scope": "read", "scp": "write"},
        "is true": {"scope": True},
    }
    for what, changes in scopes.items():
        make = saying("ES256", **good | changes)
        yield Attack(f"a scope that {what}", "RFC 8693, section 4.2", scope, make, route="attacked-scoped")
    required: dict[str, dict[str, Any]] = {
        "truth as text of another case": {"admin": "True"},
        "truth as 1": {"admin": 1},
        "truth as a list in a list": {"admin": [[True]]},
        "truth as an object": {"admin": {"true": True}},
        "text that begins alike": {"tenant": "acme2"},
        "text in an object": {"tenant": {"acme": True}},
        "text in a list in a list": {"tenant": [["acme"]]},
        "text with a space": {"tenant": "acme "},
        "null": {"tenant": None},
        "null where any value will do": {"team": None},
        "characters in a list": {"tenant": list("acme")},
    }
    for what, changes in required.items():
        make = saying("ES256", **good | changes)
        yield Attack(f"a required claim: {what}", "RFC 8725, section 3.10", claim, make, route="attacked-scoped")
    yield Attack(
        "a consumer that gives itself scopes and claims",
        "RFC 8725, section 3.10",
        "what a consumer signs proves nothing but whose it is",
        own(**good),
        route="attacked-scoped",
    )


ATTACKS = [
    Attack("a token that is over", "RFC 7519, section 4.1.4", "exp is checked", saying("ES256", exp=NOW - 1)),
    Attack("a token that was over in 1969", "RFC 7519, section 4.1.4", "exp is checked", saying("ES256", exp=-1)),
    Attack("a token without an end", "RFC 8725, section 3.10", "exp is required", without("exp")),
    Attack(
        "a token that begins tomorrow", "RFC 7519, section 4.1.5", "nbf is checked", saying("ES256", nbf=NOW + DAY)
    ),
    Attack("a token from tomorrow", "RFC 7519, section 4.1.6", "iat is checked", saying("ES256", iat=NOW + DAY)),
    *_times(),
    *_audiences(),
    *_issuers(),
    *_types(),
    *_in_headers(),
    *_scopes(),
]
