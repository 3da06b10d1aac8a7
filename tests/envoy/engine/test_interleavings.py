"""Any valid conversation, in any order of events: each call gets its own answers and is closed just once."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.http2_frames import Setting
from harness.http2_moves import Moves
from harness.http2_peer import Peer


@pytest.fixture
def no_logs() -> Iterator[None]:
    """What pytest captures it keeps."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def picks(choices: list[int]) -> Iterator[int]:
    yield from choices
    while True:
        yield 0


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    choices=st.lists(st.integers(0, 1 << 10), max_size=120),
    window=st.sampled_from([0, 7, 60, 65_535]),
    step=st.sampled_from([1, 10, 1 << 20]),
    lost=st.booleans(),
)
def run_any_conversation(choices: list[int], window: int, step: int, *, lost: bool) -> None:
    peer = Peer((Setting.INITIAL_WINDOW_SIZE, window), step=step)
    chosen = picks(choices)
    moves = Moves(peer, lambda end: next(chosen) % end)
    for _ in range(len(choices) // 2):
        moves.make()
    if not lost:
        moves.finish()
    peer.leave()


@pytest.mark.usefixtures("no_logs")
def test_any_conversation_gets_its_own_answers_and_every_call_is_closed_once() -> None:
    run_any_conversation()
