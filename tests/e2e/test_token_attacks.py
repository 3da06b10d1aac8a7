"""Every attack of the written list behind each gateway."""

import json
from collections.abc import Sequence

from harness.attack import Attack, Sent, sent
from harness.attacked import world
from harness.http1 import Message
from harness.outrider import Outrider
from harness.token_attacks import ATTACKS
from harness.upstream import Upstream

OWN = (400, 431)
"""What a gateway answers itself to what is no HTTP, or too long."""


def ask(gateway: Outrider, route: str, carried: Sent) -> Message:
    return gateway.request(f"/{route}?{carried.query}", *carried.headers)


def is_refused(attack: Attack, response: Message) -> bool:
    if response.status in OWN:
        return True
    status, message = (403, "Forbidden") if attack.route == "attacked-scoped" else (401, "Unauthorized")
    challenge = response.get("www-authenticate") or ""
    return (response.status, json.loads(response.body)["message"]) == (status, message) and "Bearer " in challenge


def is_a_stranger(response: Message, upstream: Sequence[Message]) -> bool:
    if response.status in OWN:
        return not upstream
    [request] = upstream
    return request.get("x-consumer-username") == "guest" and request.get("x-anonymous-consumer") == "true"


def test_all_are_refused_and_reach_nobody(gateway: Outrider, upstream: Upstream) -> None:
    got_in: list[tuple[str, int]] = []
    answered = 0
    for attack in ATTACKS:
        response = ask(gateway, attack.route, sent(attack))
        answered += response.status not in OWN
        if upstream.requests or not is_refused(attack, response):
            got_in.append((attack.name, response.status))
        upstream.reset()
    assert got_in == []
    assert answered > 0.9 * len(ATTACKS)


def test_where_strangers_are_let_in_all_are_strangers(gateway: Outrider, upstream: Upstream) -> None:
    got_in: list[tuple[str, int]] = []
    for attack in ATTACKS:
        response = ask(gateway, f"{attack.route}-guests", sent(attack))
        if not is_a_stranger(response, upstream.requests) or (attack.seen and "eyJ" in repr(upstream.requests)):
            got_in.append((attack.name, response.status))
        upstream.reset()
    assert got_in == []


def test_the_same_without_malice_is_let_in(gateway: Outrider, upstream: Upstream) -> None:
    tokens = [*(party.signed() for party in world().parties.values()), world().by("cube"), world().alices_own()]
    for token in tokens:
        assert gateway.request("/attacked", ("authorization", f"Bearer {token}")).status == 200
    assert {request.get("x-consumer-username") for request in upstream.requests} == {"alice"}
