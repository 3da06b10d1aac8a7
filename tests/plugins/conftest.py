"""Real servers of the storage `redis`, which all tests share that leave them as they were."""

from collections.abc import Iterator

import pytest

from harness.redis_server import PRODUCTS, RedisServer


@pytest.fixture(scope="session", params=PRODUCTS)
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with RedisServer(request.param) as server:
        yield server
