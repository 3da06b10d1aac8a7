from add_header import AddHeader
from outrider import Request
from outrider.testing import run


def test_upstream_gets_the_header() -> None:
    outcome = run(AddHeader(name="x-team", value="blue"), Request("GET", "/orders"))
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-team"] == "blue"
