"""The page for operators, over HTTP."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.outrider import free_port
from outrider.config.field_types import Address
from outrider_cli.page import Page


@pytest.fixture
def address(tmp_path: Path) -> Iterator[Address]:
    """A page over no worker, which is not ready."""
    address = Address("127.0.0.1", free_port())
    page = Page(address, tmp_path, lambda: False)
    yield address
    page.close()


def ask(address: Address, method: str, path: str) -> tuple[int, int, bytes]:
    """Status, content-length and body."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, int(answer.headers["content-length"]), answer.read()
    connection.close()
    return found


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
def test_head_is_get_without_the_body(address: Address, path: str) -> None:
    status, length, body = ask(address, "GET", path)
    assert len(body) == length
    assert ask(address, "HEAD", path) == (status, length, b"")


def test_a_query_changes_nothing(address: Address) -> None:
    assert ask(address, "GET", "/healthz?verbose=1") == ask(address, "GET", "/healthz") == (200, 3, b"ok\n")
    assert ask(address, "GET", "/metrics?x=1")[0] == 200
    assert ask(address, "GET", "/readyz?x")[0] == 503
