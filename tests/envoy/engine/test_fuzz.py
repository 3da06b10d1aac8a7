"""A short run of what `make soak` does for an hour, always the same."""

import asyncio
import logging
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from harness.http2_soak import InMemory, OverSockets

pytestmark = pytest.mark.usefixtures("no_logs")


@pytest.fixture
def no_logs() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_nothing_passes_nothing_escapes_and_nothing_is_left(seed: int) -> None:
    with asyncio.Runner() as runner:
        server = InMemory(random.Random(seed), runner)  # noqa: S311 - chance, no secret
        for _ in range(150):
            server.connect()
    # Else it would show nothing that all are refused.
    assert server.passed > 20


def test_a_server_on_a_socket_stays_well_whatever_comes() -> None:
    async def run() -> int:
        with tempfile.TemporaryDirectory(prefix="outrider-") as folder:
            server = OverSockets(random.Random(5), Path(folder))  # noqa: S311 - chance, no secret
            await server.start()
            for _ in range(20):
                await server.connect()
            await server.stop()
            return server.passed

    assert uvloop.run(run()) > 5
