"""Which server counts now, as the sentinels say (Redis' guidelines for clients of Sentinel)."""

from dataclasses import replace
from itertools import product
from typing import Final

from outrider_plugins.counting.redis.address import Node, RedisAddress
from outrider_plugins.counting.redis.command import packed
from outrider_plugins.counting.redis.connection import RedisConnection
from outrider_plugins.counting.storage import StorageError

PATIENCE: Final = 0.3
"""How long one sentinel may take to answer before the next is asked, in seconds."""


class Sentinels:
    """Asks one after the other, and first the one that knew it last.

    They are asked without a password; if none answers then, with the one of the server.
    """

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        known = replace(address, kind="server", service="", db=0)
        self._ways = [replace(known, username=None, password=None), *([known] if address.password else ())]
        self._question = packed(b"SENTINEL", b"get-master-addr-by-name", address.service.encode())
        self._sentinels = list(address.nodes)

    async def master(self) -> Node:
        """Raises `StorageError` if no sentinel knows one."""
        for way, sentinel in list(product(self._ways, self._sentinels)):
            match await RedisConnection.once(replace(way, nodes=(sentinel,)), self._question, PATIENCE):
                case [bytes(host), bytes(port)] if port.isdigit():
                    self._sentinels.sort(key=lambda other: other != sentinel)
                    self._ways.sort(key=lambda other: other != way)
                    return Node(host.decode("latin-1"), int(port))
                case _:
                    continue
        raise StorageError(f"{self._address}: no sentinel knows a server of that name")
