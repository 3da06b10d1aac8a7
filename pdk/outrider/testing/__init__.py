"""Runs plugins in a test: with no gateway and no network, behind a real Envoy (or, with `behind="kong"`, behind a
program that stands in for Kong), or on recorded messages.

outcome = run(AddHeader(name="x-team", value="blue"), Request("GET", "/orders"))
assert outcome.upstream.headers["x-team"] == "blue"

with Gateway(AddHeader(name="x-team", value="blue")) as gateway:
    outcome = gateway.request("GET", "/orders")
assert outcome.upstream.headers["x-team"] == "blue"

[outcome] = replay(AddHeader(name="x-team", value="blue"), "orders.jsonl")
assert outcome.upstream.headers["x-team"] == "blue"
"""

from outrider.testing.gateway import Gateway
from outrider.testing.outcome import Body, Outcome, PluginFault
from outrider.testing.replay import replay
from outrider.testing.runner import Runner, run

__all__ = ["Body", "Gateway", "Outcome", "PluginFault", "Runner", "replay", "run"]
