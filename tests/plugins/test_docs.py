"""Every plugin has a page with all of its fields, and an example that loads."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest
from pydantic import TypeAdapter

from harness.authority import Authority
from outrider import Peer, Plugin, Request, Response, Route, discovery
from outrider.config import Configuration, load
from outrider.json_schema import WithDefaults
from outrider.testing import Outcome, run
from outrider_plugins.jwt_issuer import Issuer

ROOT = Path(__file__).parents[2]
PLUGINS = discovery.installed()
CLIENTS, GATEWAY = Authority("clients"), Authority().sign("localhost")
SECRETS = {
    "INTROSPECTION_SECRET": "what the server knows us by",
    "EXPORT_SECRET": "a-secret-of-at-least-32-random-bytes",
    "CLIENTS_CA": CLIENTS.cert_pem,
    "GATEWAY_CERT": GATEWAY.cert_pem,
    "GATEWAY_KEY": GATEWAY.key_pem,
}
ORDERS = Route("orders", service="orders")
EVERYWHERE = {field.name for field in fields(Plugin)}


@pytest.mark.parametrize("name", PLUGINS)
def test_the_page_has_every_field_with_its_default(name: str) -> None:
    page = (ROOT / "docs" / "plugins" / f"{name}.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    schema = TypeAdapter(PLUGINS[name]).json_schema(schema_generator=WithDefaults)
    for field, about in schema["properties"].items():
        if field not in EVERYWHERE:
            assert field in rows, f"{field} has no row"
            told = re.split(r"(?<!\\)\|", rows[field])[3].strip()
            assert told == ("" if field in schema.get("required", ()) else in_the_page(about["default"])), field


def in_the_page(default: object) -> str:
    if isinstance(default, dict) and not any(cast("dict[str, object]", default).values()):
        return "nothing" if default else "`{}`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


@pytest.mark.parametrize("name", PLUGINS)
def test_every_field_has_a_description(name: str) -> None:
    schema = TypeAdapter(PLUGINS[name]).json_schema()
    assert all("description" in about for about in schema["properties"].values())


@pytest.mark.parametrize("name", PLUGINS)
def test_the_page_says_what_the_plugin_does_not_do_and_links_its_example(name: str) -> None:
    page = (ROOT / "docs" / "plugins" / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    assert "## What it does not do" in page
    assert f"(../../examples/plugins/{name}.yaml)" in page


def example(name: str) -> Configuration:
    return load(ROOT / "examples" / "plugins" / f"{name}.yaml", PLUGINS, environ=SECRETS)


def send(name: str, target: str, **headers: str) -> Outcome:
    configuration = example(name)
    sent = [(header.replace("_", "-"), value) for header, value in headers.items()]
    request = Request("GET", target, headers=sent, route=ORDERS)
    plugins = [one.plugin for one in configuration.plugins]
    return run(plugins, request, consumers=configuration.consumers, response=Response(200))


@pytest.mark.parametrize("name", PLUGINS)
def test_the_example_loads(name: str) -> None:
    assert name in {plugin.name for plugin in example(name).plugins}


def test_the_example_of_correlation_id_keeps_the_ids_of_its_callers() -> None:
    assert send("correlation-id", "/orders", x_correlation_id="order-7").headers["x-correlation-id"] == "order-7"


@pytest.mark.parametrize(
    ("target", "key", "who"),
    [("/orders", "alice-key", "alice"), ("/?key=bob-key", "", "bob"), ("/orders", "", "guest")],
)
def test_the_example_of_key_auth_knows_alice_and_bob_and_lets_everybody_else_in_as_guest(
    target: str, key: str, who: str
) -> None:
    outcome = send("key-auth", target, **({"x_api_key": key} if key else {}))
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-consumer-username"] == who
    assert outcome.upstream.query == ""


def test_the_example_of_acl_lets_alice_in_who_is_staff_and_not_bob() -> None:
    alice, bob = (send("acl", "/orders", x_api_key=f"{name}-key") for name in ("alice", "bob"))
    assert alice.upstream is not None
    assert alice.upstream.headers["x-consumer-groups"] == "staff, berlin"
    assert (bob.status, send("acl", "/orders").status) == (403, 401)


@pytest.mark.parametrize(
    ("method", "target", "key", "status"),
    [
        ("GET", "/orders", "bob-key", 200),
        ("PUT", "/orders", "alice-key", 200),
        ("PUT", "/orders", "bob-key", 403),
        ("GET", "/orders/tenants/red/7", "bob-key", 200),
        ("GET", "/orders/tenants/blue/7", "bob-key", 403),
        ("GET", "/orders/tenants/red/../blue/7", "bob-key", 403),
        ("GET", "/orders", "", 401),
    ],
)
def test_the_example_of_policy_lets_editors_write_and_keeps_tenants_apart(
    method: str, target: str, key: str, status: int
) -> None:
    configuration = example("policy")
    request = Request(method, target, headers={"x-api-key": key} if key else {})
    plugins = [one.plugin for one in configuration.plugins]
    assert run(plugins, request, consumers=configuration.consumers).status == status


def test_the_example_of_signature_auth_knows_what_its_script_signs() -> None:
    folder = ROOT / "examples" / "plugins"
    secret, body, url = SECRETS["EXPORT_SECRET"], b'{"item": 7}', "http://127.0.0.1:8080/orders?page=2"
    script = [sys.executable, str(folder / "sign_request.py"), "POST", url, body.decode()]
    done = subprocess.run(script, env={"EXPORT_SECRET": secret}, capture_output=True, text=True, check=True)
    headers = [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]
    request = Request(
        "POST", "/orders?page=2", headers=cast("list[tuple[str, str]]", headers), authority="127.0.0.1:8080"
    )
    configuration = example("signature-auth")
    plugins = [one.plugin for one in configuration.plugins]
    sent = run(plugins, request, body, consumers=configuration.consumers)
    assert sent.upstream is not None
    assert sent.upstream.headers["x-consumer-username"] == "nightly-export"
    assert send("signature-auth", "/orders").headers["www-authenticate"] == "Signature"


@pytest.mark.parametrize(
    ("user_pass", "who"),
    [("Aladdin:open sesame", "alice"), ("export:hQ3vW9rT2kLx7ZpN5cYb8mDs", "nightly-export")],
)
def test_the_example_of_basic_auth_knows_a_person_and_a_program(user_pass: str, who: str) -> None:
    page = (ROOT / "docs" / "plugins" / "basic-auth.md").read_text()
    assert user_pass in page
    outcome = send("basic-auth", "/orders", authorization=f"Basic {b64encode(user_pass.encode()).decode()}")
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-consumer-username"] == who
    assert send("basic-auth", "/orders").headers["www-authenticate"] in page


@pytest.mark.parametrize(("who", "name"), [("alice", "spiffe://example.test/alice"), ("bob", "bob")])
def test_the_example_of_mtls_auth_knows_the_certificates_that_its_page_makes(
    tmp_path: Path, who: str, name: str
) -> None:
    page = (ROOT / "docs" / "plugins" / "mtls-auth.md").read_text()
    commands = page.partition("```sh\n")[2].partition("```")[0]
    subprocess.run(["sh", "-e"], input=commands, text=True, cwd=tmp_path, capture_output=True, check=True)  # noqa: S607
    made = {"CLIENTS_CA": "clients.crt", "GATEWAY_CERT": "gateway.crt", "GATEWAY_KEY": "gateway.key"}
    environ = {name: (tmp_path / file).read_text() for name, file in made.items()}
    configuration = load(ROOT / "examples" / "plugins" / "mtls-auth.yaml", PLUGINS, environ=environ)
    request = Request(peer=Peer.from_pem((tmp_path / f"{who}.crt").read_text()))
    sent = run([one.plugin for one in configuration.plugins], request, consumers=configuration.consumers).upstream
    assert sent is not None
    assert sent.headers["x-consumer-username"] == name
    assert send("mtls-auth", "/orders").headers["www-authenticate"] in page


def test_the_example_of_jwt_auth_believes_the_token_of_its_page() -> None:
    token = (ROOT / "examples" / "plugins" / "jwt-auth.token").read_text().strip()
    sent = send("jwt-auth", "/orders", authorization=f"Bearer {token}").upstream
    assert sent is not None
    assert sent.headers["x-user-email"] == "alice@example.com"
    assert sent.headers["x-consumer-username"] == "alice"
    assert send("jwt-auth", "/orders").headers["www-authenticate"] == 'Bearer realm="outrider"'


def test_the_page_of_jwt_auth_has_every_field_of_an_issuer() -> None:
    page = (ROOT / "docs" / "plugins" / "jwt-auth.md").read_text()
    assert all(f"| `{field}` |" in page for field in Issuer.model_fields)


def test_the_example_of_rate_limit_has_two_limits() -> None:
    assert send("rate-limit", "/orders").headers["ratelimit-policy"] == '"10s";q=5;w=10, "3600s";q=100;w=3600'


def test_the_example_of_request_transform_does_what_its_page_says() -> None:
    page = (ROOT / "docs" / "plugins" / "request-transform.md").read_text()
    plugins = [one.plugin for one in example("request-transform").plugins]
    headers = {"x-old-name": "a", "content-type": "application/json"}
    request = Request("POST", "/orders/7?debug=1&page=2", headers=headers, authority="127.0.0.1:8080", route=ORDERS)
    outcome = run(plugins, request, b'{"qty": 1, "internal": true}')
    upstream = outcome.upstream
    assert upstream is not None
    assert f"upstream gets {upstream.upstream_path}?{upstream.query}, x-new-name: a and x-route: orders" in page
    assert (upstream.headers["x-new-name"], upstream.headers["x-route"]) == ("a", "orders")
    assert f"# {outcome.upstream_body.decode()}" in page


def test_the_example_of_response_transform_does_what_its_page_says() -> None:
    page = (ROOT / "docs" / "plugins" / "response-transform.md").read_text()
    plugins = [one.plugin for one in example("response-transform").plugins]
    response = Response(200, body=b'{"id": 7, "debug": "..."}', headers={"content-type": "application/json"})
    outcome = run(plugins, Request("GET", "/orders", route=ORDERS), response=response)
    assert outcome.headers["x-answer"] == "200 for GET /orders"
    assert f"arrives as `{outcome.body.decode()}`" in page


def test_the_example_of_cors_lets_pages_of_its_origins_read() -> None:
    for origin in ("https://app.example", "https://pr-7.preview.example"):
        assert send("cors", "/orders", origin=origin).headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in send("cors", "/orders", origin="https://preview.example").headers


def test_the_example_of_ip_restriction_lets_this_machine_in() -> None:
    assert send("ip-restriction", "/orders").status == 200


def test_the_example_of_request_termination_answers_only_what_carries_its_trigger() -> None:
    assert b"Back at noon" in send("request-termination", "/orders", x_maintenance="1").body
    assert send("request-termination", "/orders").status == 200


def test_the_example_of_openapi_validation_says_what_its_page_says() -> None:
    page = (ROOT / "docs" / "plugins" / "openapi-validation.md").read_text()
    assert send("openapi-validation", "/orders?limit=50").status == 200
    refused = send("openapi-validation", "/orders?limit=500")
    assert refused.status == 400
    assert json.loads(refused.body)["errors"][0]["message"] in page
    assert send("openapi-validation", "/orders/7").status == 400
    assert send("openapi-validation", "/orders?other=1").status == 400
