"""policy: what expressions see of a request, and that whatever can't be decided is refused."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from outrider import Consumer, Headers, Request, Route, Runtime
from outrider.consumer import JSON
from outrider.metrics import Metrics
from outrider.testing import Outcome, Runner, run
from outrider_plugins.policies import language
from outrider_plugins.policies.condition import condition
from outrider_plugins.policies.language import TYPES
from outrider_plugins.policies.mentions import mentions
from outrider_plugins.policy import Policy

ALICE = Consumer("c-1", "alice", "a-7", groups=("gold",), acls=("staff", "ops"), tags=("eu",))
CLAIMS = {
    "sub": "alice",
    "scope": "orders:read orders:write",
    "age": 42,
    "rate": 0.5,
    "admin": False,
    "none": None,
    "realm": {"roles": ["dev", "ops"]},
    "https://example/roles": ["lead"],
}


def asked(
    target: str = "/orders/7?page=2&role=a&role=b%20c&flag",
    headers: Mapping[str, str] | None = None,
    *,
    consumer: Consumer | None = ALICE,
    claims: Mapping[str, JSON] = CLAIMS,
) -> Request:
    """A request as auth plugins leave it."""
    sent = [("x-tenant", "blue"), ("accept", "a"), ("accept", "b"), *(headers or {}).items()]
    request = Request("PUT", target, headers=sent, authority="API.example:8443", route=ROUTE, client="10.0.0.7")
    request.consumer, request.claims, request.context = consumer, claims, {"step": {"n": 1}}
    request.credential = "key-1" if consumer else None
    request.id = "r-1"
    return request


ROUTE = Route("orders", "shop", ("public", "v2"))


def policy(**config: Any) -> Policy:
    """The plugin with a configuration as a file has it."""
    return Policy(**config)


def decide(source: str, request: Request | None = None) -> int:
    return run(Policy(allow=source), request or asked()).status


@pytest.mark.parametrize(
    "source",
    [
        "true",
        "request.method == 'PUT'",
        "request.path == '/orders/7'",
        "request.path.matches('^/orders/[0-9]+$')",
        "request.host == 'api.example' && request.port == 8443 && request.scheme == 'http'",
        "request.client.startsWith('10.')",
        "request.id == 'r-1'",
        "request.time > timestamp('2024-01-01T00:00:00Z')",
        "request.time < timestamp('2124-01-01T00:00:00Z')",
        "request.headers['x-tenant'] == 'blue'",
        "request.headers.accept == 'a, b'",
        "'x-tenant' in request.headers && !('x-other' in request.headers)",
        "has(request.headers.accept) && !has(request.headers.cookie)",
        "request.headers.exists(name, name == 'accept')",
        "request.headers[claims.sub == 'alice' ? 'x-tenant' : 'accept'] == 'blue'",
        "request.query.page == ['2']",
        "request.query.role == ['a', 'b c'] && request.query.flag == ['']",
        "'page' in request.query && !('size' in request.query)",
        "size(request.query) == 3",
        "consumer.username == 'alice' && consumer.id == 'c-1' && consumer.custom_id == 'a-7'",
        "consumer.username in ['alice', 'bob']",
        "consumer.acls.exists(group, group == 'ops') && 'gold' in consumer.groups && consumer.tags == ['eu']",
        "credential == 'key-1'",
        "claims.age >= 42 && claims.rate < 1.0 && !claims.admin && claims.none == null",
        "'orders:read' in claims.scope.split(' ')",
        "'ops' in claims.realm.roles",
        "'lead' in claims['https://example/roles']",
        "has(claims.realm.roles) && !has(claims.realm.none) && !has(claims.nobody)",
        "size(claims) == 8",
        "context.step.n == 1",
        "route.name == 'orders' && route.service == 'shop' && 'v2' in route.tags",
        "'ABC'.lowerAscii() == 'abc'",
        "{'k': request.method}['k'] == 'PUT'",
        "[request.method, route.name] == ['PUT', 'orders']",
        "claims.realm.roles.map(role, role + '@' + claims.sub) == ['dev@alice', 'ops@alice']",
        "[1].exists(claims, claims == 1) && request.method == 'PUT'",
    ],
)
def test_an_expression_sees_the_request_the_consumer_the_claims_the_route_and_the_context(source: str) -> None:
    assert decide(source) == 200
    assert run(policy(rules=[{"name": "not", "deny": source}]), asked()).status == 403
    assert decide(f"!({source})") == 403


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("consumer.username == null && consumer.id == null && consumer.custom_id == null", 200),
        ("credential == null && consumer.acls == [] && consumer.groups == [] && size(claims) == 0", 200),
        ("consumer.username != 'bob'", 200),
        ("consumer.username.startsWith('b')", 403),
        ("!consumer.username.startsWith('b')", 403),
        ("claims.sub != 'bob'", 403),
    ],
)
def test_of_nobody_the_names_are_null_and_the_lists_are_empty(source: str, status: int) -> None:
    assert decide(source, asked(consumer=None, claims={})) == status


def test_a_path_is_compared_in_its_normal_form() -> None:
    for target in ("/orders/../admin", "//admin", "/%61dmin", "/admin/.", "/x/..;a/admin"):
        assert decide("request.path.startsWith('/admin')", asked(target)) == 200


def test_a_request_without_a_port_has_that_of_its_scheme() -> None:
    assert decide("request.port == 443", Request(authority="a", scheme="https")) == 200
    assert decide("request.port == 80", Request(authority="a")) == 200


UNDECIDED = [
    "claims.nobody == 1",
    "claims.nobody != 1",
    "!(claims.nobody == 1)",
    "claims.sub.nothing == 1",
    "request.headers['x-none'] != 'a'",
    "request.query.size[0] != 'a'",
    "request.query.page[1] != 'a'",
    "claims.age / (claims.age - 42) == 0",
    "claims.age + 9223372036854775807 > 0",
    "claims.age.startsWith('4')",
    "claims.sub",
    "claims.age",
    "claims.none",
    "claims.realm",
    "int(claims.sub) == 1",
    "timestamp(claims.sub) < request.time",
    "request.time.getHours(claims.sub) < 25",
    "claims.sub.matches(claims.scope + '(')",
    "claims.realm.roles.all(role, role)",
]


@pytest.mark.parametrize("source", UNDECIDED)
def test_what_can_not_be_decided_is_refused_whether_it_allows_or_denies(
    source: str, caplog: pytest.LogCaptureFixture
) -> None:
    for rule in ({"allow": source}, {"deny": source}):
        outcome = run(policy(rules=[{"name": "odd", **rule}]), asked())
        assert (outcome.status, outcome.error) == (403, None)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all(line.startswith("rule odd can't be decided on the route orders: ") for line in said)
    assert not any(value in line for line in said for value in ("alice", "42", "read", "blue"))


def test_the_other_side_of_or_can_make_up_for_what_is_not_there() -> None:
    assert decide("claims.nobody == 1 || request.method == 'PUT'") == 200
    assert decide("claims.nobody == 1 || request.method == 'GET'") == 403
    assert decide("claims.nobody == 1 && request.method == 'GET'") == 403


NESTED = "claims.many.all(a, claims.many.all(b, a + b >= 0))"


@pytest.mark.parametrize(("length", "status"), [(90, 200), (110, 403), (100_000, 403)])
def test_an_expression_that_takes_more_than_ten_thousand_steps_is_refused(length: int, status: int) -> None:
    assert decide(NESTED, asked(claims={"many": list(range(length))})) == status


def test_what_can_not_be_decided_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Runner([Policy(allow="claims.nobody == 1")]) as runner:
            for _ in range(3):
                assert (await runner.send(asked())).status == 403

    asyncio.run(main())
    assert len(caplog.records) == 1


def deep(levels: int) -> JSON:
    value: JSON = 1
    for _ in range(levels):
        value = [value]
    return value


UNFIT = [
    "admin\0x",
    "\0",
    "\udce9",
    "a\udc80",
    "\ud83d",
    {"admin\0x": 1},
    {"a": ["\udcff"]},
    2**63,
    -(2**63) - 1,
    deep(33),
    deep(100_000),
    ("a", "tuple"),
    {1: 2},
]


@pytest.mark.parametrize("value", UNFIT)
def test_a_claim_that_cel_can_not_hold_is_refused_where_it_is_spoken_of(value: JSON) -> None:
    request = asked(claims={"odd": value, "sub": "alice"})
    for source in ("claims.odd != 'admin'", "has(claims.odd)", "size(claims) > 0", "claims.exists(name, true)"):
        outcome = run(Policy(allow=source), request)
        assert (outcome.status, outcome.error) == (403, None)
        assert run(policy(rules=[{"name": "no", "deny": source}]), request).status == 403
    assert decide("claims.sub == 'alice'", request) == 200


def test_text_is_not_cut_off_at_a_nul() -> None:
    assert decide("claims.sub == 'admin'", asked(claims={"sub": "admin\0x"})) == 403
    assert decide("claims.sub != 'admin'", asked(claims={"sub": "admin\0x"})) == 403
    assert decide("request.query.role[0] == 'admin'", asked("/?role=admin%00x")) == 403
    assert decide("request.path == '/admin'", asked("/admin%00x")) == 403


def odd_header(value: str) -> Request:
    return Request(headers=Headers.received({"x-odd": [value], "x-even": ["a"]}))


@pytest.mark.parametrize("value", ["caf\udce9", "\udcff\udcfe", "a\0b", "\ud800"])
def test_a_header_of_odd_bytes_is_refused_where_it_is_spoken_of(value: str) -> None:
    for source in ("request.headers['x-odd'] != 'admin'", "size(request.headers) == 2"):
        for rule in ({"allow": source}, {"deny": source}):
            outcome = run(policy(rules=[{"name": "odd", **rule}]), odd_header(value))
            assert (outcome.status, outcome.error) == (403, None)
    assert decide("request.headers['x-even'] == 'a'", odd_header(value)) == 200


@pytest.mark.parametrize("value", ["café", "\t a", "x" * 60_000, "日本", "a\u2028b", ""])
def test_any_other_header_is_compared_as_it_is(value: str) -> None:
    assert decide("request.headers['x-odd'] == request.headers['x-odd'] + ''", odd_header(value)) == 200
    assert decide(f"size(request.headers['x-odd']) == {len(value)}", odd_header(value)) == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("a=1", 200),
        ("a=%31", 200),
        ("a=1&b=%ff", 200),
        ("b=x;a=2&a=1", 200),
        ("a=1&a=2", 403),
        ("a=2&a=1", 403),
        ("a=%ff", 403),
        ("a=\udcff", 403),
        ("a=1%00", 403),
        ("&".join(["b=2"] * 999 + ["a=1"]), 200),
        ("&".join(["b=2"] * 1000 + ["a=1"]), 403),
        ("&" * 60_000, 403),
    ],
)
def test_a_query_parameter_is_a_list_of_all_its_values(query: str, status: int) -> None:
    assert decide("request.query.a == ['1']", Request(target=f"/?{query}")) == status


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "at least 1 character"),
        ("a" * 4097, "at most 4096 characters"),
        ("1 +", "line 1, column 4: mismatched input '<EOF>'"),
        ("true &&\n request.metod == 'GET'", "line 2, column 9: undeclared reference to 'request.metod' (there is "),
        ("consumer.name == 'a'", "(there is consumer.id, consumer.username, consumer.custom_id,"),
        ("request == 1", "undeclared reference to 'request'"),
        ("now() > 1", "column 4: undeclared reference to 'now'"),
        ("request.method == 1", "column 16: found no matching overload for '_==_' applied to '(string, int)'"),
        ("request.query.a == '1'", "'(list(string), string)'"),
        ("has(consumer.username)", "asks has() about consumer.username, which is always there"),
        ("has( request.method )", "asks has() about request.method"),
        ("'a'", "is of the type string: write an expression that is true or false"),
        ("[true]", "is of the type list<bool>"),
        ("(" * 100 + "true" + ")" * 100, "can't be compiled: Expression recursion limit exceeded"),
        ("request.headers['X-Tenant'] == 'a'", "names in lower case: write 'x-tenant' for 'X-Tenant'"),
        ("has(request.headers.Accept)", "write 'accept' for 'Accept'"),
        ("'host' in request.headers", "has no host: write request.host"),
        ("request.path.matches('(')", "'(' is no regular expression in the syntax of RE2"),
        ("matches(request.path, '(?=a)')", "is no regular expression"),
        ("true;", "token recognition error"),
        ("\ud800", "valid string"),
    ],
)
def test_a_mistake_is_found_when_the_file_is_loaded_with_its_place(source: str, words: str) -> None:
    for config in ({"allow": source}, {"rules": [{"name": "r", "deny": source}]}):
        with pytest.raises(ValidationError) as refused:
            policy(**config)
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "refuses nobody: give allow, or rules"),
        ({"rules": []}, "refuses nobody"),
        ({"allow": "true", "status": 200}, "greater than or equal to 400"),
        ({"rules": [{"name": "r"}]}, "the rule r has one condition: give allow or deny"),
        ({"rules": [{"name": "r", "allow": "true", "deny": "true"}]}, "and not both"),
        ({"rules": [{"name": "a b", "allow": "true"}]}, "should match pattern"),
        ({"rules": [{"name": "a\n", "allow": "true"}]}, "should match pattern"),
        ({"rules": [{"name": "a", "allow": "true"}] * 2}, "two rules are called a: rename one"),
        ({"allow": "true", "rules": [{"name": "allow", "deny": "false"}]}, "two rules are called allow"),
        ({"rules": [{"name": f"r{n}", "allow": "true"} for n in range(101)]}, "at most 100 items"),
        ({"allow": "true", "strange": 1}, "strange"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Policy(**config)
    assert words in str(refused.value)


def test_without_the_library_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python.cel", None)
    language._environment.cache_clear()  # pyright: ignore[reportPrivateUsage]
    try:
        with pytest.raises(ValidationError, match=r"needs the package cel-expr-python: install outrider\[policy\]"):
            Policy(allow="1 < 2 && 2 < 3 && 3 < 4")
    finally:
        language._environment.cache_clear()  # pyright: ignore[reportPrivateUsage]


RULES: list[dict[str, Any]] = [
    {"name": "readers", "deny": "request.method == 'DELETE'", "status": 405, "message": "Not here"},
    {"name": "tenants", "allow": "request.headers['x-tenant'] in ['blue', 'red']", "message": "No such tenant"},
    {"name": "late", "deny": "'late' in request.query"},
]


@pytest.mark.parametrize(
    ("method", "target", "tenant", "status", "message"),
    [
        ("GET", "/", "blue", 200, None),
        ("DELETE", "/?late", "green", 405, "Not here"),
        ("GET", "/?late", "green", 451, "No such tenant"),
        ("GET", "/?late", "red", 451, "Elsewhere"),
        ("PUT", "/", "red", 451, "Elsewhere"),
    ],
)
def test_the_first_rule_that_refuses_says_how(
    method: str, target: str, tenant: str, status: int, message: str | None
) -> None:
    judge = policy(allow="request.method != 'PUT'", rules=RULES, status=451, message="Elsewhere")
    outcome = run(judge, Request(method, target, headers={"x-tenant": tenant}))
    assert outcome.status == status
    if message:
        assert (outcome.upstream, json.loads(outcome.body)["message"]) == (None, message)


def dry(judge: Policy, *requests: Request) -> tuple[list[Outcome], Metrics]:
    metrics = Metrics()

    async def main() -> list[Outcome]:
        async with Runner([judge], Runtime(metrics=metrics)) as runner:
            return [await runner.send(request) for request in requests]

    return asyncio.run(main()), metrics


def test_a_dry_run_refuses_nobody_and_tells_what_it_would_refuse(caplog: pytest.LogCaptureFixture) -> None:
    judge = policy(rules=[{"name": "blue", "allow": "claims.team == 'blue'"}], dry_run=True)
    requests = [asked(claims={"team": team}) for team in ("blue", "red", "red")] + [asked(claims={})]
    outcomes, metrics = dry(judge, *requests)
    assert [outcome.status for outcome in outcomes] == [200] * 4
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "dry run: rule blue would refuse a request on the route orders",
        "rule blue can't be decided on the route orders: it looks for what is not there",
    ]
    help_ = "What would have become of requests under a policy with dry_run."
    told = {
        (outcome, rule): metrics.counter(
            "outrider_policy_dry_run_total", help_, route="orders", outcome=outcome, rule=rule
        ).value
        for outcome, rule in (("passed", ""), ("refused", "blue"))
    }
    assert told == {("passed", ""): 1, ("refused", "blue"): 3}


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        ("true", set[str]()),
        ("consumer.username == 'a' && claims.a == 1 && route.name == 'x'", set[str]()),
        ("request.method == 'GET'", {"method"}),
        ("request.path == '/' || 'a' in request.query", {"path"}),
        ("request.client == 'a' && request.scheme == 'https'", {"client", "host"}),
        ("[1].all(x, request.headers.a == 'b')", {"headers"}),
        ("request.id == 'a'", {"headers"}),
    ],
)
def test_the_gateway_is_asked_only_for_what_the_expressions_speak_of(source: str, facts: set[str]) -> None:
    assert Policy(allow=source).needs().facts == facts
    assert policy(allow="true", rules=[{"name": "a", "deny": source}]).needs().facts == facts


@pytest.mark.parametrize("variable", TYPES)
def test_every_variable_can_be_read_of_a_request_that_has_next_to_nothing(variable: str) -> None:
    assert decide(f"type({variable}) != type(b'')", Request()) == 200
    assert run(Policy(allow=f"dyn({variable}) == dyn({variable})"), asked()).status == 200


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("claims.a == 1", {"claims": {"a"}}),
        ("claims.a.b == claims['c'] && has(claims.d.e) && 'f' in claims", {"claims": {"a", "c", "d", "f"}}),
        ("claims.a == 1 && size(claims) == 1", {"claims": None}),
        ("size(claims) == 1 && claims.a == 1", {"claims": None}),
        ("claims[claims.a] == 1", {"claims": None}),
        ("claims.exists(name, claims[name] == 1)", {"claims": None}),
        ("{'k': claims.a, route.name: 2} == {} || [claims.b] == []", {"claims": {"a", "b"}, "route.name": None}),
        ("claims.a.matches('x|' + route.name)", {"claims": {"a"}, "route.name": None}),
    ],
)
def test_only_what_an_expression_mentions_is_made(source: str, variables: dict[str, set[str] | None]) -> None:
    found = mentions(language.program(source).serialize())
    told = {name: known and set(known) for name, known in found.variables.items() if name in TYPES}
    assert told == variables


TEXTS = st.text(st.characters(codec=None, categories=["L", "Cs", "Cc", "P", "N"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
SOURCES = st.sampled_from([*UNDECIDED, NESTED, "claims.sub == 'a'", "claims.many[0] > 1", "size(claims) > 1"])


@given(source=SOURCES, claims=st.dictionaries(st.sampled_from(["sub", "many", "age", "realm"]), VALUES), odd=TEXTS)
def test_whatever_comes_is_decided_and_only_one_of_allow_and_deny_lets_it_in(
    source: str, claims: dict[str, JSON], odd: str
) -> None:
    request = asked(claims=claims)
    request.headers.adopt(Headers.received({"x-none": [odd]}))
    judges = [policy(rules=[{"name": "r", kind: source}]) for kind in ("allow", "deny")]
    for judge in judges:
        asyncio.run(judge.start(Runtime()))
    passed = [judge.on_request(request) is None for judge in judges]
    assert sum(passed) <= 1
    assert condition(source) is condition(source)


@pytest.mark.parametrize(
    "source", ["request.path.replace('a', 'b') == ''", "['a'].exists(a, a.replace('a', a) == a)"]
)
def test_what_could_make_any_text_is_a_mistake(source: str) -> None:
    with pytest.raises(ValueError, match="calls replace"):
        Policy(allow=source)
