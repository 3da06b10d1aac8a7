"""Where `serve envoy` may have its workers, and what is said of anything else."""

from pathlib import Path

import click
import pytest

from outrider.errors import StartError
from outrider_cli.listen import check_folder, checked, endpoints, is_anywhere, is_elsewhere


@pytest.mark.parametrize("listen", ["127.0.0.1:9191", "127.1.2.3:1", "[::1]:65535", "unix:/run/outrider"])
def test_an_address_of_this_machine_is_taken_as_it_is(listen: str) -> None:
    assert checked(listen) == listen


@pytest.mark.parametrize(
    "listen",
    [
        *("127.0.0.1:99999", "127.0.0.1:0", "127.0.0.1:", "127.0.0.1", "::1:9191", ":9191"),
        *("localhost:9191", "unix:relative", "unix:", ""),
    ],
)
def test_anything_else_is_refused_with_both_forms_as_the_remedy(listen: str) -> None:
    with pytest.raises(click.BadParameter, match=r"PORT.*unix:/DIRECTORY"):
        checked(listen)


def test_what_other_machines_reach_is_told_apart() -> None:
    listens = ["0.0.0.0:9191", "[::]:9191", "10.0.0.1:9191", "127.1.2.3:1", "[::1]:9191", "unix:/run"]
    assert [is_elsewhere(listen) for listen in listens] == [True, True, True, False, False, False]
    assert [is_anywhere(listen) for listen in listens] == [True, True, False, False, False, False]


def test_each_worker_has_the_next_port() -> None:
    assert endpoints("127.0.0.1:9191", 2) == ["127.0.0.1:9191", "127.0.0.1:9192"]
    assert endpoints("[::1]:65534", 2) == ["[::1]:65534", "[::1]:65535"]


def test_a_port_that_leaves_none_for_the_last_worker_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="no port for 2 workers: begin at 65534 or below"):
        endpoints("127.0.0.1:65535", 2)


def test_each_worker_has_a_socket_in_the_folder() -> None:
    assert endpoints("unix:/run/it/", 2) == ["unix:/run/it/worker-0.sock", "unix:/run/it/worker-1.sock"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    check_folder(f"unix:{tmp_path}")
    check_folder("127.0.0.1:9191")
    with pytest.raises(StartError, match=f"{tmp_path}/no is no folder: create it"):
        check_folder(f"unix:{tmp_path}/no")
