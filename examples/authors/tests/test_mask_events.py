from pathlib import Path

from mask_events import MaskEvents
from outrider.testing import replay


def test_a_word_is_masked_also_where_it_came_in_two_chunks() -> None:
    [outcome] = replay(MaskEvents(word="Alice"), Path(__file__).with_name("events.jsonl"))
    assert outcome.chunks == (b"", b"data: it was ***\n\n", b"data: yes, ***\n\n", b"")
