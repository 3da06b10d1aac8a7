"""A bounded memory."""

from outrider_plugins.remembered import Remembered


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_found_is_remembered_until_its_end() -> None:
    clock = Clock()
    memory: Remembered[str] = Remembered(3, clock)
    memory.put(b"a", "found", 10)
    for now, found in ((0, "found"), (9.999, "found"), (10, None), (11, None)):
        clock.now = now
        assert memory.get(b"a") == found


def test_what_was_used_least_recently_is_forgotten_first() -> None:
    memory: Remembered[int] = Remembered(3, Clock())
    for number in range(3):
        memory.put(bytes([number]), number, 1)
    assert memory.get(b"\0") == 0
    memory.put(b"\3", 3, 1)
    assert [memory.get(bytes([number])) for number in range(4)] == [0, None, 2, 3]


def test_everything_can_be_forgotten() -> None:
    memory: Remembered[int] = Remembered(3, Clock())
    memory.put(b"a", 1, 1)
    memory.clear()
    assert memory.get(b"a") is None


def test_what_is_larger_takes_more_room_and_what_is_too_large_none() -> None:
    memory: Remembered[str] = Remembered(10, Clock())
    memory.put(b"a", "a", 1, 4)
    memory.put(b"b", "b", 1, 4)
    memory.put(b"c", "c", 1, 11)
    assert [memory.get(key) for key in (b"a", b"b", b"c")] == ["a", "b", None]
    memory.put(b"d", "d", 1, 3)
    assert [memory.get(key) for key in (b"a", b"b", b"d")] == [None, "b", "d"]
