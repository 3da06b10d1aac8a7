"""Four workers at once let through what the formula says on the storage's own clock, also if one is killed."""

import os
from pathlib import Path

import pytest

from harness.counting import Workers
from harness.counting_worker import TOGETHER
from harness.redis_server import Product, RedisServer
from outrider.counting import Algorithm

MANY = 200_000
FEWER = int(os.environ.get("OUTRIDER_REQUESTS", "20000"))
"""`make soak` sends as many everywhere."""
YEAR = 366 * 86_400
every_algorithm = pytest.mark.parametrize("algorithm", ["fixed-window", "sliding-window", "gcra"])


def started(storage: str, algorithm: Algorithm, requests: int, folder: Path) -> Workers:
    """Workers under a limit that about half of their requests pass."""
    if algorithm == "fixed-window":
        return Workers(storage, algorithm, requests // 2, YEAR, folder)
    return Workers(storage, algorithm, requests // 20, 1, folder)


def check(workers: Workers, requests: int) -> None:
    answers = workers.answers(requests)
    assert len(answers) == requests
    assert [passed for _, passed in answers] == workers.reference(answers)
    assert {passed for _, passed in answers} == {True, False}
    if workers.algorithm == "fixed-window":
        assert sum(passed for _, passed in answers) == workers.limit


def check_with_a_killed_worker(workers: Workers, requests: int, *, lost: int) -> None:
    answers = workers.answers(requests, kill=True)
    passed, expected = (sum(each) for each in ([passed for _, passed in answers], workers.reference(answers)))
    # What was counted and not answered any more takes its place; in sliding windows in the next one, too.
    assert expected - 2 * lost <= passed <= expected


@every_algorithm
def test_in_memory_every_answer_is_that_of_the_formula(algorithm: Algorithm, tmp_path: Path) -> None:
    requests = MANY if algorithm == "fixed-window" else FEWER
    check(started(str(tmp_path / "counters"), algorithm, requests, tmp_path), requests)


@every_algorithm
def test_in_memory_a_killed_worker_costs_no_more_than_the_request_it_was_at(
    algorithm: Algorithm, tmp_path: Path
) -> None:
    workers = started(str(tmp_path / "counters"), algorithm, FEWER, tmp_path)
    check_with_a_killed_worker(workers, FEWER, lost=1)


@pytest.mark.parametrize(
    ("algorithm", "product"),
    [("fixed-window", "redis"), ("sliding-window", "valkey"), ("gcra", "redis")],
)
def test_in_a_server_every_answer_is_that_of_the_formula(
    algorithm: Algorithm, product: Product, tmp_path: Path
) -> None:
    with RedisServer(product) as server:
        check(started(server.address, algorithm, FEWER, tmp_path), FEWER)


def test_in_a_server_a_killed_worker_costs_no_more_than_the_requests_it_was_at(tmp_path: Path) -> None:
    with RedisServer("redis") as server:
        workers = started(server.address, "sliding-window", FEWER, tmp_path)
        check_with_a_killed_worker(workers, FEWER, lost=TOGETHER)
