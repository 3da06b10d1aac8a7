"""The stand-in's connections to plugin servers, on the event loop that the program has."""

import socket
from pathlib import Path

import pytest
import uvloop

from outrider_kong.stand_in.pool import ClosedError, Pool
from outrider_kong.stand_in.settings import Settings


def test_what_a_server_said_before_it_was_killed_is_read_and_what_it_is_told_after_that_is_lost(folder: Path) -> None:
    async def told() -> bytes:
        with socket.create_server(str(folder / "s"), family=socket.AF_UNIX) as server:
            connection = await Pool(Settings()).take(str(folder / "s"))
            peer, _ = server.accept()
            peer.sendall(b"the answer")
            peer.close()
            said = await connection.read(10)
        connection.write(b"thanks")
        with pytest.raises(ClosedError):
            await connection.read(10)
        connection.close()
        return said

    assert uvloop.run(told()) == b"the answer"
