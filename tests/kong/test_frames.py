"""Frames: cut as they come, put together as they were."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider_kong.errors import ProtocolError
from outrider_kong.frames import EMPTY, Frames, frame


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(frame, payloads))
    ends = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    frames = Frames(limit=40)
    found = [one for start, end in pairwise(ends) for one in frames.feed(data[start:end])]
    assert found == payloads
    assert not frames.inside


def test_a_frame_may_be_empty() -> None:
    assert Frames(limit=0).feed(EMPTY) == [b""]


def test_a_frame_over_the_limit_is_refused_before_it_is_there() -> None:
    frames = Frames(limit=10)
    with pytest.raises(ProtocolError, match="11 bytes: the limit is 10"):
        frames.feed(b"\x0b\x00\x00\x00")
    assert not frames.inside


def test_half_a_frame_is_kept() -> None:
    frames = Frames(limit=10)
    assert frames.feed(b"\x02\x00\x00\x00a") == []
    assert frames.inside
    assert frames.feed(b"b") == [b"ab"]
