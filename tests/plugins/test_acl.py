"""acl: who is let in by which groups, and what upstream is told of them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from outrider import Consumer, Consumers, Request
from outrider.consumer import JSON
from outrider.testing import Outcome, run
from outrider_plugins.acl import Acl

STAFF = Consumer("c-1", username="alice", acls=("staff", "ops"))
LONER = Consumer("c-2", username="bob")
GUEST = Consumer("c-3", username="guest", acls=("guests",))
ALLOW, DENY = {"allow": ["staff", "admins"]}, {"deny": ["staff", "admins"]}
OWN, CLAIMED = "x-consumer-groups", "x-authenticated-groups"


def ask(
    config: Mapping[str, Any],
    consumer: Consumer | None = None,
    credential: str | None = "a-credential",
    claims: Mapping[str, JSON] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Outcome:
    """A request as auth plugins leave it."""
    request = Request(headers=headers or {})
    request.consumer, request.credential, request.claims = consumer, credential, claims or {}
    return run(Acl(**config), request)


def told(outcome: Outcome) -> dict[str, str]:
    """What upstream was told of groups."""
    assert outcome.upstream is not None, outcome.body
    return {name: value for name, value in outcome.upstream.headers.items() if "groups" in name}


@pytest.mark.parametrize(
    ("consumer", "credential", "allow", "deny"),
    [
        (STAFF, "key", 200, 403),
        (STAFF, None, 200, 403),
        (GUEST, "key", 403, 200),
        (GUEST, None, 403, 200),
        (LONER, "key", 403, 200),
        (LONER, None, 401, 200),
        (None, "key", 403, 403),
        (None, None, 401, 401),
    ],
)
def test_groups_and_credentials_decide_as_in_kong(
    consumer: Consumer | None, credential: str | None, allow: int, deny: int
) -> None:
    assert (ask(ALLOW, consumer, credential).status, ask(DENY, consumer, credential).status) == (allow, deny)


@pytest.mark.parametrize(
    ("claim", "allow", "deny"),
    [
        ("staff", 200, 403),
        (["staff"], 200, 403),
        (["guests", "admins"], 200, 403),
        ("guests", 403, 200),
        ([], 403, 200),
        ("Staff", 403, 200),
        ("staff admins", 403, 200),
        ("staf", 403, 200),
        (None, 403, 403),
        (True, 403, 403),
        (7, 403, 403),
        ({"staff": True}, 403, 403),
        (["staff", 7], 403, 403),
        (["staff", None], 403, 403),
        ([["staff"]], 403, 403),
    ],
)
def test_a_claim_may_hold_the_groups_and_one_that_holds_anything_else_lets_nobody_in(
    claim: JSON, allow: int, deny: int
) -> None:
    claims = {"realm": {"roles": claim}}
    statuses = [ask({**config, "claim": "realm.roles"}, None, "sub", claims).status for config in (ALLOW, DENY)]
    assert statuses == [allow, deny]


@pytest.mark.parametrize(
    ("consumer", "claims", "allow", "deny"),
    [
        (STAFF, {"groups": "guests"}, 200, 403),
        (GUEST, {"groups": "staff"}, 200, 403),
        (LONER, {"groups": []}, 403, 200),
        (LONER, {}, 403, 200),
        (STAFF, {}, 200, 403),
        (STAFF, {"groups": 7}, 403, 403),
        (LONER, {"groups": 7}, 403, 403),
    ],
)
def test_the_groups_of_the_consumer_and_of_the_claim_count_together(
    consumer: Consumer, claims: Mapping[str, JSON], allow: int, deny: int
) -> None:
    statuses = [ask({**config, "claim": "groups"}, consumer, "sub", claims).status for config in (ALLOW, DENY)]
    assert statuses == [allow, deny]


def test_a_claim_that_is_not_named_is_not_looked_at() -> None:
    claims = {"groups": "staff"}
    assert ask(ALLOW, LONER, claims=claims).status == 403
    assert told(ask(DENY, LONER, claims=claims)) == {}


def test_upstream_is_told_the_groups_each_under_the_name_of_where_they_come_from() -> None:
    config = {**ALLOW, "claim": "groups"}
    assert told(ask(config, STAFF)) == {OWN: "staff, ops"}
    assert told(ask(config, None, claims={"groups": ["admins", "Größe 1"]})) == {CLAIMED: "admins, Größe 1"}
    assert told(ask(config, STAFF, claims={"groups": "x"})) == {OWN: "staff, ops", CLAIMED: "x"}
    assert told(ask(DENY, LONER)) == {}


def test_upstream_is_told_nothing_where_the_header_is_hidden() -> None:
    config: dict[str, Any] = {**ALLOW, "claim": "groups", "hide_groups_header": True}
    assert told(ask(config, STAFF, claims={"groups": ["a,b"]})) == {}
    assert Acl(**config).needs().facts == frozenset()


@pytest.mark.parametrize("hidden", [True, False])
def test_what_downstream_says_of_groups_is_neither_believed_nor_passed_on(hidden: bool) -> None:
    spoofed = {"x-consumer-groups": "staff", "X_Consumer_Groups": "staff", CLAIMED: "staff", "groups": "staff"}
    config: dict[str, Any] = {"claim": "groups", "hide_groups_header": hidden}
    assert ask({**ALLOW, **config}, LONER, headers=spoofed).status == 403
    sent = told(ask({**DENY, **config}, LONER, headers=spoofed))
    assert sent == {"groups": "staff"}


UNFIT = [
    "a,b",
    "a, staff",
    "",
    " a",
    "a ",
    "\ta",
    "a\r\nx-role: b",
    "a\x00",
    'a"b',
    "a\xa0",
    "a\u200bb",
    "\udcc3\udca9",
]


@pytest.mark.parametrize("group", UNFIT)
def test_a_group_that_upstream_would_read_as_another_lets_nobody_in(group: str) -> None:
    for config in (ALLOW, {"deny": ["nobody"]}):
        claims = {"groups": ["staff", group]}
        assert ask({**config, "claim": "groups"}, None, claims=claims).status == 403
        hiding = {**config, "claim": "groups", "hide_groups_header": True}
        assert ask(hiding, None, claims=claims).status == 200


@pytest.mark.parametrize("group", UNFIT)
def test_such_a_group_in_the_file_is_a_mistake_unless_upstream_is_not_told(group: str) -> None:
    people = Consumers([Consumer("c-9", custom_id="carol", acls=("staff", group))])
    with pytest.raises(ValueError, match="of carol as another one or as two: rename it"):
        Acl(allow=["staff"]).check(people)
    Acl(allow=["staff"], hide_groups_header=True).check(people)
    if group.isprintable() and group:
        with pytest.raises(ValidationError, match="as another one or as two"):
            Acl(deny=["staff", group])
        assert Acl(deny=[group], hide_groups_header=True).deny == [group]


def test_a_refusal_says_nothing_of_groups() -> None:
    refused = ask(ALLOW, GUEST)
    assert (refused.upstream, json.loads(refused.body)["message"]) == (None, "Forbidden")
    assert json.loads(ask(ALLOW, None, None).body)["message"] == "Unauthorized"
    assert b"staff" not in refused.body + str(refused.headers).encode()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "decides by one list: give allow or deny, and not both"),
        ({"claim": "groups"}, "decides by one list"),
        ({"allow": ["a"], "deny": ["b"]}, "decides by one list"),
        ({"allow": []}, "at least 1 item"),
        ({"deny": []}, "at least 1 item"),
        ({"allow": ["a"], "deny": []}, "at least 1 item"),
        ({"allow": [""]}, "at least 1 character"),
        ({"allow": ["a" * 1001]}, "at most 1000 characters"),
        ({"allow": ["a"] * 10_001}, "at most 10000 items"),
        ({"allow": "staff"}, "valid list"),
        ({"allow": [7]}, "valid string"),
        ({"allow": ["a"], "claim": ""}, "at least 1 character"),
        ({"allow": ["staff, admins"]}, "the group 'staff, admins' as another one or as two"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Acl(**config)
    assert words in str(refused.value)


NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(
    listed=st.lists(NAMES, min_size=1), own=st.lists(NAMES), claimed=st.none() | st.lists(NAMES), known=st.booleans()
)
def test_allow_lets_in_exactly_whom_deny_refuses_where_groups_are_known(
    listed: list[str], own: list[str], claimed: list[str] | None, known: bool
) -> None:
    consumer = Consumer("c-1", acls=tuple(own)) if known else None
    claims = {} if claimed is None else {"groups": claimed}
    allowed, denied = (
        ask({key: listed, "claim": "groups"}, consumer, claims=claims).status for key in ("allow", "deny")
    )
    if consumer is None and claimed is None:
        assert (allowed, denied) == (403, 403)
    else:
        theirs = {*(own if known else ()), *(claimed or ())}
        assert (allowed, denied) == ((200, 403) if theirs & set(listed) else (403, 200))
