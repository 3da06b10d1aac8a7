"""The ids of instances: one series, whoever counts, and never twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outrider_kong.register import KEPT, Register

SECONDS_2020 = 1_577_836_800


def register(folder: Path, server: str = "one", now: float = SECONDS_2020 + 1000.0) -> Register:
    return Register(folder / server, folder / "ids", lambda: now)


def test_an_id_stands_for_its_configuration_in_every_worker(tmp_path: Path) -> None:
    number = register(tmp_path).add("outrider-chain", b'{"route":\n"r"}')
    assert register(tmp_path).find(number) == ("outrider-chain", b'{"route":\n"r"}')


def test_servers_side_by_side_and_one_after_the_other_count_on(tmp_path: Path) -> None:
    servers = [register(tmp_path, name) for name in ("one", "two", "three")]
    numbers = [server.add("a", b"") for _ in range(5) for server in servers]
    assert numbers == list(range(numbers[0], numbers[0] + 15))


def test_another_servers_ids_stand_for_nothing(tmp_path: Path) -> None:
    number = register(tmp_path, "one").add("a", b"")
    assert register(tmp_path, "two").find(number) is None


def test_where_the_count_is_lost_the_clock_is_ahead_of_it(tmp_path: Path) -> None:
    first = register(tmp_path, now=SECONDS_2020 + 1000.0)
    last = max(first.add("a", b"") for _ in range(50))
    (tmp_path / "ids").unlink()
    assert register(tmp_path, "new", now=SECONDS_2020 + 1100.0).add("a", b"") > last


def test_an_id_is_an_int32_for_decades(tmp_path: Path) -> None:
    in_2080 = SECONDS_2020 + 60 * 366 * 86_400.0
    assert register(tmp_path, now=in_2080).add("a", b"") < 2**31


@pytest.mark.parametrize("odd", [b"not a number", b"\xff\xfe", b"", b"-5", b"2147483647", b"99999999999999999999"])
def test_odd_bytes_in_the_place_of_the_count_are_a_lost_count(tmp_path: Path, odd: bytes) -> None:
    (tmp_path / "ids").write_bytes(odd)
    assert register(tmp_path).add("a", b"") == 1000


def test_the_count_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "ids").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        register(tmp_path).add("a", b"")
    assert (tmp_path / "victim").read_text() == "precious"


def test_many_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    def add(_: int) -> int:
        return register(tmp_path).add("a", b"")

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(add, range(200)))
    assert len(set(numbers)) == 200


def test_the_oldest_instances_are_forgotten(tmp_path: Path) -> None:
    one = register(tmp_path)
    first = one.add("a", b"")
    for number in range(KEPT):
        (tmp_path / "one" / str(first + 1 + number)).write_bytes(b"a\n")
    last = one.add("b", b"")
    assert one.find(first) is None
    assert one.find(last) == ("b", b"")
    assert len(list((tmp_path / "one").iterdir())) == KEPT


def test_what_is_removed_is_unknown(tmp_path: Path) -> None:
    one = register(tmp_path)
    number = one.add("a", b"")
    one.remove(number)
    one.remove(number)
    assert one.find(number) is None
