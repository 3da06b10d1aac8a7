"""One configuration with a route for each thing that the end-to-end tests look at: they share its gateways."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness.attacked import attacked
from harness.combined import PEOPLE, combined, sharing
from harness.described import described
from harness.introspected import CLIENT_SECRET
from harness.outrider import Config, plugin, service
from harness.passwords import USERS, with_passwords
from harness.signed import HMAC
from harness.tokens import ALICES_SECRET, Issuer

Protocol = Literal["ext_proc", "ext_authz", "kong"]

PLUGINS = str(Path(__file__).parents[2] / "e2e" / "plugins")
YEAR = 366 * 86_400  # a window that does not end during a test
CONSUMERS: list[Config] = [
    {
        "username": "alice",
        "custom_id": "a-1",
        "keyauth_credentials": [{"id": "alices", "key": "alice-key"}],
        "jwt_secrets": [{"key": "alices-own", "secret": ALICES_SECRET}],
    },
    {"username": "bob", "keyauth_credentials": [{"id": "bobs", "key": "bob-key"}]},
    {"username": "guest"},
    *PEOPLE,
    USERS,
]


def sample(protocol: Protocol, upstream: int, folder: Path, issuers: Sequence[Issuer], key_server: str) -> Config:
    """Every route is /NAME of its service; where a protocol can't have one, it isn't there."""
    for issuer in issuers:
        (folder / f"{issuer.algorithm}.json").write_text(issuer.jwks())
    services = [
        service("open", upstream),
        *_authenticated(upstream, issuers, key_server),
        *combined(upstream),
        *sharing(upstream),
        *with_passwords(upstream),
        *attacked(upstream, folder),
        *_requests(upstream, folder),
        *described(upstream, folder, responses=protocol != "ext_authz"),
        *(_responses(upstream) if protocol != "ext_authz" else []),
        *(_chunks(upstream) if protocol == "ext_proc" else []),
    ]
    gateway = {"protocol": protocol, "plugin_dirs": [PLUGINS]}
    goldie = {"username": "goldie", "groups": [{"name": "gold"}], "keyauth_credentials": [{"key": "goldie-key"}]}
    gold = plugin("rate-limit", limit=3, window=YEAR, headers=["x-ratelimit"])
    groups = [{"name": "gold", "plugins": [{**gold, "service": "grouped"}]}]
    return {"gateway": gateway, "services": services, "consumers": [*CONSUMERS, goldie], "consumer_groups": groups}


def _authenticated(upstream: int, issuers: Sequence[Issuer], key_server: str) -> list[Config]:
    from_files = [_trust(issuer, f"{issuer.algorithm}.json") for issuer in issuers]
    from_server = [_trust(issuer, f"{key_server}/{issuer.algorithm}") for issuer in issuers]
    claims = {"sub": "x-user", "realm.role": "x-role"}
    return [
        service("orders", upstream, plugin("key-auth"), plugin("correlation-id")),
        service("keys", upstream, plugin("key-auth", header="x-key", query="key", cookie="key")),
        service("guests", upstream, plugin("key-auth", anonymous="guest")),
        service("either", upstream, plugin("key-auth", anonymous="guest"), plugin("jwt-auth", anonymous="guest")),
        service("tokens", upstream, plugin("jwt-auth", issuers=from_files, claims_to_headers=claims)),
        service("fetched", upstream, plugin("jwt-auth", issuers=from_server)),
        service("scoped", upstream, plugin("jwt-auth", issuers=from_files, required_scopes=["read", "write"])),
        service("discovered", upstream, plugin("jwt-auth", issuers=[{"issuer": key_server}])),
        service("carried", upstream, plugin("jwt-auth", issuers=from_files, header="x-token", query="t", cookie="t")),
        service("introspected", upstream, _asking(key_server, required_scopes=["write"])),
        service(
            "jwt-or-opaque",
            upstream,
            plugin("jwt-auth", issuers=from_files, anonymous="guest"),
            _asking(key_server, anonymous="guest"),
            {**plugin("request-termination", status=401), "consumer": "guest"},
        ),
    ]


def _trust(issuer: Issuer, jwks: str) -> Config:
    trust: Config = {"issuer": issuer.name, "jwks": jwks}
    return trust | ({"algorithms": [issuer.algorithm]} if issuer.algorithm.startswith("HS") else {})


def _asking(server: str, **fields: object) -> Config:
    client = {"client_id": "gateway", "client_secret": CLIENT_SECRET, "client_auth": "client_secret_post"}
    told = {"email": "x-mail"}
    return plugin("introspection-auth", endpoint=f"{server}/introspect", claims_to_headers=told, **client, **fields)


def _requests(upstream: int, folder: Path) -> list[Config]:
    log = str(folder / "ended")
    transform = plugin(
        "request-transform",
        remove={"headers": ["x-debug"], "query": ["debug"]},
        rename={"headers": {"x-old": "x-new"}, "query": {"old": "new"}},
        replace={"headers": {"user-agent": "outrider"}, "query": {"page": "1"}},
        add={
            "headers": {"x-caller": "{consumer.username} on {route.name}", "x-seen": "{request.headers.x-given}"},
            "query": {"who": "{consumer.username}"},
        },
        append={"headers": {"x-many": "two"}, "query": {"tag": "b"}},
    )
    return [
        service("ordered", upstream, *(plugin(name, log=log) for name in ("outer", "middle", "inner"))),
        service("script", upstream, plugin("script", timeout=300), plugin("echo-header")),
        *_below(upstream),
        service("tolerant", upstream, plugin("script", on_error="continue", timeout=300), plugin("key-auth")),
        service("limited", upstream, plugin("rate-limit", limit=3, window=YEAR, by="header:x-case")),
        service("evenly", upstream, _counted(algorithm="gcra", limit=1, burst=3)),
        service("sliding", upstream, _counted(algorithm="sliding-window", limit=3)),
        service("dear", upstream, _counted(limit=10, cost=4)),
        service("tried", upstream, _counted(limit=1, dry_run=True)),
        service("grouped", upstream, plugin("key-auth"), plugin("rate-limit", limit=1, window=YEAR)),
        service("traced", upstream, plugin("correlation-id", header="x-trace-id", trust=True), plugin("key-auth")),
        service("quiet", upstream, plugin("correlation-id", echo=False)),
        service("public", upstream, plugin("cors", origins=["*"], exposed_headers=["x-total"]), plugin("key-auth")),
        service("closable", upstream, plugin("request-termination", trigger="x-closed", message="Back at noon")),
        service("gone", upstream, plugin("request-termination", status=410, body="gone", content_type="text/x-gone")),
        service("local", upstream, plugin("ip-restriction", allow=["127.0.0.0/8"], deny=["::ffff:127.0.0.2"])),
        service("transformed", upstream, plugin("key-auth"), transform),
        service("signed", upstream, plugin("signature-auth", keys=[HMAC.row(consumer="alice")])),
        service("policed", upstream, plugin("key-auth", anonymous="guest"), _policy()),
        service("seen", upstream, plugin("seen")),
        service("played", upstream, *(plugin(name) for name in ("first", "second", "third"))),
    ]


def _policy() -> Config:
    facts = "request.host == 'outrider.test' && request.client == '127.0.0.1' && request.scheme == 'http'"
    rules = [
        {"name": "where", "allow": f"{facts} && route.name == 'policed' && request.path.startsWith('/policed/')"},
        {"name": "writers", "deny": "request.method != 'GET' && consumer.username != 'alice'", "status": 405},
        {"name": "pages", "deny": "'page' in request.query && request.query.page != ['1']", "message": "No page"},
        {"name": "tenants", "allow": "!('x-tenant' in request.headers) || request.headers['x-tenant'] == 'a, b'"},
    ]
    return plugin("policy", rules=rules)


def _below(upstream: int) -> list[Config]:
    """Services with a path of their own, behind routes that take something off."""
    bases = {"below": "/base", "below-slash": "/base/", "below-nothing": ""}
    return [
        service(name, upstream, plugin("script"))
        | {
            "url": f"http://127.0.0.1:{upstream}{base}",
            "routes": [
                {"name": name, "paths": [f"/{name}", f"~/{name}-[0-9]+"]},
                {"name": f"{name}-kept", "paths": [f"/kept-{name}"], "strip_path": False},
            ],
        }
        for name, base in bases.items()
    ]


def _counted(**fields: object) -> Config:
    return plugin("rate-limit", window=YEAR, by="header:x-case", headers=["ietf", "x-ratelimit"], **fields)


def _responses(upstream: int) -> list[Config]:
    cors = plugin("cors", origins=["https://app.example", "https://*.preview.example"], credentials=True)
    transform = plugin(
        "response-transform",
        remove={"headers": ["x-powered-by"]},
        rename={"headers": {"x-old": "x-new"}},
        replace={"headers": {"etag": '"2"'}},
        add={"headers": {"x-status": "{response.status} for {request.method}"}},
        append={"headers": {"set-cookie": "c=3"}},
    )
    return [
        service("played-whole", upstream, *(plugin(f"whole-{name}") for name in ("first", "second", "third"))),
        service("replies", upstream, plugin("response-script", timeout=300), plugin("echo-header")),
        service("priced", upstream, _counted(limit=100, response_cost="header:x-tokens", unknown_cost=41)),
        service("priced-by-body", upstream, _counted(limit=100, response_cost="json:/usage/tokens")),
        service("bodies", upstream, plugin("request-body"), plugin("response-body")),
        service("guarded", upstream, plugin("key-auth"), plugin("request-body")),
        service("retouched", upstream, transform),
        *_rewritten(upstream),
        service("pages", upstream, cors, plugin("key-auth")),
        service("dead-pages", 1, cors),
        service("dead-replies", 1, plugin("response-script")),
    ]


def _rewritten(upstream: int) -> list[Config]:
    request = plugin(
        "request-transform",
        remove={"json": ["/secret"], "form": ["secret"]},
        add={"json": {"/n": 1.5, "/route": "{route.name}"}, "form": {"route": "{route.name}"}},
        path={"match": "/rewritten/(?P<kind>[^/]+)/(.+)", "to": "/{path.kind}/of/{request.headers.x-who}/{path.2}"},
        method="PUT",
    )
    response = plugin(
        "response-transform",
        remove={"json": ["/secret"]},
        add={"json": {"/code": "{response.status}"}, "headers": {"x-code": "{response.status}"}},
        if_status=["400-599"],
        status=418,
    )
    return [
        service("rewritten", upstream, request),
        service("passing", upstream, plugin("request-transform", add={"json": {"/a": 1}}, on_bad_body="pass")),
        service("softened", upstream, response),
        service("hidden", upstream, plugin("response-transform", body={"path": "{request.path}"}, if_status=[500])),
    ]


def _chunks(upstream: int) -> list[Config]:
    return [
        service("sized", upstream, plugin("request-size-limit", limit=10)),
        service("measured", upstream, plugin("request-size-limit", limit=10, require_content_length=True)),
    ]
