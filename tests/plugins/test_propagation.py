"""Several formats of a trace side by side."""

import pytest

from outrider import Headers, Request
from outrider.testing import run
from outrider_plugins.propagation import Format
from outrider_plugins.tracing import Tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OTHER = "f" * 32
W3C = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"}
B3 = {"b3": f"{TRACE}-{SPAN}-1"}
MULTI = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": "1"}
ALL: list[Format] = ["w3c", "b3", "b3multi"]


def sent(given: dict[str, str], *formats: Format, sample: float = 1, **config: object) -> Headers:
    request = Request(headers=given)
    assert run(Tracing(propagate=formats, sample=sample, **config), request).upstream  # type: ignore[arg-type]
    return request.headers


@pytest.mark.parametrize("given", [W3C, B3, MULTI])
def test_a_trace_in_one_format_goes_on_in_all_of_them(given: dict[str, str]) -> None:
    headers = sent(given, *ALL)
    assert headers["traceparent"] == f"00-{TRACE}-{SPAN}-01"
    assert headers["b3"] == f"{TRACE}-{SPAN}-1"
    assert {name: headers[name] for name in MULTI} == MULTI
    assert ("tracestate" in headers) == (given is W3C)


@pytest.mark.parametrize("given", [{}, {"b3": "junk"}, {"traceparent": "junk", "x-b3-traceid": "junk"}])
def test_a_new_trace_is_told_in_all_formats(given: dict[str, str]) -> None:
    headers = sent(given, *ALL)
    trace_id = headers["x-b3-traceid"]
    span_id = headers["x-b3-spanid"]
    assert headers["traceparent"] == f"00-{trace_id}-{span_id}-01"
    assert headers["b3"] == f"{trace_id}-{span_id}-1"


def test_the_first_format_that_has_a_trace_counts() -> None:
    given = {**W3C, "b3": f"{OTHER}-{SPAN}-0"}
    assert sent(given, "w3c", "b3")["b3"] == f"{TRACE}-{SPAN}-1"
    assert sent(given, "b3", "w3c")["traceparent"] == f"00-{OTHER}-{SPAN}-00"


def test_headers_of_other_formats_pass_as_they_came() -> None:
    request = Request(headers=Headers.received({name: [value] for name, value in {**W3C, "b3": "junk"}.items()}))
    run(Tracing(), request)
    assert not request.headers.changed


@pytest.mark.parametrize(("decision", "sampled"), [("0", "00"), ("1", "01"), ("d", "01")])
def test_a_decision_without_ids_is_one_about_a_new_trace(decision: str, sampled: str) -> None:
    headers = sent({"b3": decision}, "w3c", "b3", sample=0.5)
    assert headers["traceparent"].endswith(sampled)
    assert headers["b3"].endswith(decision)
    assert headers["traceparent"][3:35] != TRACE


@pytest.mark.parametrize(("sample", "sampled"), [(0, "0"), (1, "1")])
def test_who_leaves_the_decision_to_others_gets_ours(sample: float, sampled: str) -> None:
    assert sent({"b3": f"{TRACE}-{SPAN}"}, "b3", sample=sample)["b3"] == f"{TRACE}-{SPAN}-{sampled}"


def test_debug_outweighs_the_ratio_and_goes_on() -> None:
    headers = sent({"b3": f"{TRACE}-{SPAN}-d"}, "b3", "b3multi", sample=0, sampler="ratio")
    assert headers["b3"] == f"{TRACE}-{SPAN}-d"
    assert headers["x-b3-flags"] == "1"


def test_baggage_is_cleaned_only_where_it_is_propagated() -> None:
    given = {**W3C, "baggage": "a=1,b b=2"}
    assert sent(given, "w3c", "baggage")["baggage"] == "a=1"
    assert sent(given, "w3c")["baggage"] == "a=1,b b=2"
