"""Routes with several auth plugins, all credentials that a request can show there, and what must come of it."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from harness.outrider import Config, plugin, service
from harness.tokens import in_a_day
from signing import SECRET, Signer

Show = Literal["ada", "ben", "bad", "absent"]
"""Whose credential a request shows to a plugin."""
Shown = Mapping[str, Show]

AUTHS = ("jwt-auth", "key-auth", "basic-auth")
"""In the order in which they run."""
HEADERS = {"jwt-auth": "x-token", "key-auth": "x-api-key", "basic-auth": "authorization"}
CHALLENGES = {"jwt-auth": "Bearer ", "key-auth": "Key", "basic-auth": "Basic "}
MODES = ("all", "any", "strangers", "all-staff", "any-staff")
SPOOFED = dict.fromkeys(
    [
        *("x-consumer-id", "x-consumer-custom-id", "x-consumer-username", "x-consumer-groups"),
        *("x-authenticated-groups", "x-credential-identifier", "x-anonymous-consumer"),
    ],
    "spoofed",
)


def _person(name: str, *groups: str) -> Config:
    return {
        "username": name,
        "jwt_secrets": [
            {"id": f"{name}-jwt-auth", "key": f"own-of-{name}", "secret": _signer(name).private.decode()}
        ],
        "keyauth_credentials": [{"id": f"{name}-key-auth", "key": f"key-of-{name}"}],
        "basicauth_credentials": [{"id": f"{name}-basic-auth", "username": name, "password": f"password-of-{name}"}],
        "acls": [{"group": group} for group in groups],
    }


def _signer(name: str) -> Signer:
    signer = Signer("HS256", None)
    signer.private = SECRET + name.encode()
    return signer


def _token(issuer: str, key: str) -> str:
    return _signer(key).token({"iss": f"own-of-{issuer}", "exp": in_a_day()})


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


PEOPLE: list[Config] = [
    _person("ada", "staff", "ops"),
    _person("ben"),
    {"username": "nobody"},
    {"username": "visitor"},
]
CREDENTIALS: Mapping[str, Mapping[Show, str]] = {
    "jwt-auth": {"ada": _token("ada", "ada"), "ben": _token("ben", "ben"), "bad": _token("ada", "ben")},
    "key-auth": {"ada": "key-of-ada", "ben": "key-of-ben", "bad": "rejected-key"},
    "basic-auth": {
        "ada": _basic("ada", "password-of-ada"),
        "ben": _basic("ben", "password-of-ben"),
        "bad": _basic("ada", "password-of-ben"),
    },
}


def route(mode: str, auths: Iterable[str] = AUTHS) -> str:
    """The name of a route."""
    return "-".join([mode, *auths])


def combined(upstream: int, auths: Sequence[str] = AUTHS) -> list[Config]:
    """A service for each mode with these plugins, each with a header of its own."""
    places: Mapping[str, Config] = {"jwt-auth": {"header": HEADERS["jwt-auth"]}}
    return [service(route(mode, auths), upstream, *_plugins(mode, auths, places)) for mode in MODES]


def sharing(upstream: int) -> list[Config]:
    """The same where tokens and passwords both stand in `authorization`."""
    return [service(f"sharing-{mode}", upstream, *_plugins(mode, AUTHS, {})) for mode in MODES]


def _plugins(mode: str, auths: Sequence[str], places: Mapping[str, Config]) -> list[Config]:
    anonymous = {"any": "nobody", "any-staff": "nobody", "strangers": "visitor"}.get(mode)
    fields: Config = {"anonymous": anonymous} if anonymous else {}
    found = [plugin(name, **places.get(name, {}), **fields) for name in auths]
    if mode == "any":
        found.append({**plugin("request-termination", status=401), "consumer": "nobody"})
    if mode.endswith("staff"):
        found.append(plugin("acl", allow=["staff"]))
    return [*found, *(_plan(name) for name in ("ada", "ben", "visitor"))]


def _plan(consumer: str) -> Config:
    """A plugin of one consumer's own."""
    return {**plugin("request-transform", add={"headers": {"x-plan": f"of {consumer}"}}), "consumer": consumer}


@dataclass(frozen=True)
class Expected:
    """What downstream and upstream see. `told` are all identity headers but the consumer's id."""

    status: int
    challenges: tuple[str, ...] = ()
    told: Mapping[str, str] | None = None


def expected(mode: str, shown: Shown) -> Expected:
    """Kong's meaning of several auth plugins, said anew."""
    good = [name for name in shown if shown[name] in ("ada", "ben")]
    if mode.startswith("all"):
        missing = next((name for name in shown if name not in good), None)
        if missing:
            return Expected(401, (CHALLENGES[missing],))
        return _known(mode, shown, good[-1])
    if good:
        return _known(mode, shown, good[0])
    if mode == "strangers":
        told = {"x-consumer-username": "visitor", "x-anonymous-consumer": "true", "x-plan": "of visitor"}
        return Expected(200, (), told)
    return Expected(401, tuple(CHALLENGES[name] for name in shown))


def _known(mode: str, shown: Shown, by: str) -> Expected:
    name = shown[by]
    if mode.endswith("staff") and name != "ada":
        return Expected(403)
    told = {
        "x-consumer-username": name,
        "x-credential-identifier": f"{name}-{by}",
        "x-plan": f"of {name}",
    }
    groups = {"x-consumer-groups": "staff, ops"} if mode.endswith("staff") else {}
    return Expected(200, (), told | groups)


def every(shows: Iterable[Show], auths: Iterable[str] = AUTHS) -> list[Shown]:
    """Each of these for each plugin."""
    names = tuple(auths)
    return [dict(zip(names, chosen, strict=True)) for chosen in product(shows, repeat=len(names))]


def headers(shown: Shown) -> list[tuple[str, str]]:
    """What downstream sends."""
    fields = [(HEADERS[name], CREDENTIALS[name][show]) for name, show in shown.items() if show != "absent"]
    return [*fields, *SPOOFED.items()]


def may_go_upstream(shown: Shown) -> set[str]:
    """The credentials that upstream may see: a good token alone, since jwt-auth runs first and does not hide it."""
    by = shown.get("jwt-auth", "absent")
    return {CREDENTIALS["jwt-auth"][by]} if by in ("ada", "ben") else set()
