"""What is allowed in a file and still worth a word."""

from collections.abc import Awaitable
from pathlib import Path

import pytest

from outrider import Plugin, Reply, Request, Response, discovery
from outrider.config import build
from outrider.config.document import parse
from outrider_cli.doubts import doubts


class Silent(Plugin):
    def on_request(self, request: Request) -> None: ...


class Waiting(Plugin):
    async def on_request(self, request: Request) -> None: ...


class Afterwards(Plugin):
    def on_response(self, request: Request, response: Response) -> Reply: ...


class Refusing(Plugin):
    def on_request(self, request: Request) -> Reply | Awaitable[Reply]: ...


class Reading(Plugin):
    def on_request(self, request: Request) -> None: ...

    def on_request_body(self, request: Request, body: bytes) -> Reply: ...


class Unsaid(Plugin):
    def on_request(self, request):  # type: ignore[no-untyped-def] # noqa: ANN001
        ...


@pytest.mark.parametrize(
    ("cls", "warned"),
    [(Silent, False), (Waiting, False), (Afterwards, False), (Refusing, True), (Reading, True), (Unsaid, True)],
)
def test_continue_is_worth_a_warning_where_the_plugin_may_refuse(cls: type[Plugin], *, warned: bool) -> None:
    text = '_format_version: "3.0"\nplugins: [{name: it, config: {on_error: continue}}]'
    warnings = doubts(build(parse(text, "file.yaml", Path()), {"it": cls}))
    assert bool(warnings) == warned
    assert all(warning.startswith("file.yaml:2: plugin it: warning: ") for warning in warnings)


FILE = """_format_version: "3.0"
consumers: [{username: guest}, {username: nobody}]
services:
  - name: orders
    url: http://127.0.0.1:1
    routes: [{name: orders, paths: [/orders]}, {name: more, paths: [/more]}]
plugins:
"""


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (["{name: key-auth}"], []),
        (["{name: key-auth}", "{name: acl, config: {allow: [a]}}"], []),
        (["{name: key-auth}", "{name: basic-auth}"], []),
        (["{name: key-auth, config: {anonymous: guest}}", "{name: basic-auth, config: {anonymous: guest}}"], []),
        (
            ["{name: acl, config: {allow: [a]}}"],
            [
                "8: plugin acl: warning: on the route orders no plugin finds out who calls, so everybody gets 401",
                "8: plugin acl: warning: on the route more no plugin finds out who calls, so everybody gets 401",
            ],
        ),
        (["{name: acl, consumer: guest, config: {allow: [a]}}"], []),
        (
            [
                "{name: key-auth}",
                "{name: key-auth, service: orders, config: {anonymous: guest}}",
                "{name: basic-auth, config: {anonymous: guest}}",
            ],
            [],
        ),
        (
            [
                "{name: basic-auth, route: more, config: {anonymous: guest}}",
                "{name: key-auth, config: {anonymous: nobody}}",
            ],
            ["8: plugin basic-auth: warning: on the route more it has another anonymous consumer than the one"],
        ),
        (
            ["{name: key-auth}", "{name: basic-auth, service: orders, config: {anonymous: guest}}"],
            [
                "9: plugin basic-auth: warning: on the route orders it has anonymous, and another one has not",
                "9: plugin basic-auth: warning: on the route more it has anonymous, and another one has not",
            ],
        ),
        (
            [
                "{name: key-auth, config: {anonymous: nobody}}",
                "{name: basic-auth, route: more, config: {anonymous: guest}}",
            ],
            ["9: plugin basic-auth: warning: on the route more it has another anonymous consumer than the one"],
        ),
    ],
)
def test_what_plugins_that_authenticate_mean_together_is_worth_a_warning(
    plugins: list[str], expected: list[str]
) -> None:
    text = FILE + "".join(f"  - {one}\n" for one in plugins)
    found = doubts(build(parse(text, "file.yaml", Path()), discovery.installed()))
    assert [one[: len(wanted) + 10] for one, wanted in zip(found, expected, strict=True)] == [
        f"file.yaml:{wanted}" for wanted in expected
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("dry_run: true", "dry_run is true, so it refuses nobody"),
        ("on_storage_error: allow", "on_storage_error is allow, so what can't be counted gets through"),
        ("on_storage_error: local", None),
        ("dry_run: false", None),
    ],
)
def test_limits_that_let_requests_through_are_worth_a_warning(config: str, words: str | None) -> None:
    entry = f"{{name: rate-limit, config: {{limit: 1, window: 60, {config}}}}}"
    text = f'_format_version: "3.0"\nplugins: [{entry}]'
    warnings = doubts(build(parse(text, "file.yaml", Path()), discovery.installed()))
    assert [words in warning for warning in warnings if words] == ([True] if words else [])
    assert bool(warnings) == bool(words)


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ("url: 'https://a.b'", True),
        ("url: 'grpcs://a.b'", True),
        ("url: 'https://a.b', tls_verify: true", False),
        ("url: 'https://a.b', tls_verify: false", False),
        ("url: 'http://a.b'", False),
    ],
)
def test_an_upstream_that_may_be_anybody_is_worth_a_warning(fields: str, *, warned: bool) -> None:
    text = f'_format_version: "3.0"\nservices:\n  - {{name: orders, {fields}}}\n'
    words = "file.yaml:3: service orders: warning: upstream's certificate is not checked"
    assert [line.startswith(words) for line in doubts(build(parse(text, "file.yaml", Path()), {}))] == [True] * warned


@pytest.mark.parametrize(
    ("password", "warned"),
    [("da39a3ee5e6b4b0d3255bfef95601890afd80709", True), ("da39a3ee5e6b4b0d3255bfef95601890afd8070", False)],
)
def test_a_password_that_looks_like_kongs_hash_is_worth_a_warning(password: str, *, warned: bool) -> None:
    """A dump of Kong's database has hashes; as passwords they would let in whoever has read the dump."""
    credential = f"basicauth_credentials: [{{username: a, password: {password}}}]"
    text = f'_format_version: "3.0"\nconsumers:\n  - username: alice\n    {credential}\n'
    words = "file.yaml:4: consumers[alice].basicauth_credentials[a].password: warning: looks like Kong's hash of a "
    found = doubts(build(parse(text, "file.yaml", Path()), {}))
    assert [line.startswith(words) for line in found] == [True] * warned


def test_acl_behind_authentication_of_kongs_own_is_worth_a_warning() -> None:
    text = FILE + "  - {name: jwt}\n  - {name: acl, route: more, config: {allow: [a]}}\n"
    found = [one for one in doubts(build(parse(text, "file.yaml", Path()), discovery.installed())) if "acl" in one]
    words = "on the route more no plugin finds out who calls, so everybody gets 401"
    assert found == [f"file.yaml:9: plugin acl: warning: {words}: Kong's jwt runs behind it, so write jwt-auth"]
