"""Opens the storage that a configuration names."""

import logging
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from outrider import StartError
from outrider.counting import OnStorageError, StorageAddress
from outrider.metrics import Counter
from outrider_plugins.counting.redis.address import RedisAddress
from outrider_plugins.counting.shared_memory import PATIENCE, SharedCounters, open_counters
from outrider_plugins.counting.storage import Storage, StorageError
from outrider_plugins.counting.watched import Watched

MEMORY: Final = "memory"
_MEANWHILE: dict[OnStorageError, str] = {
    "deny": "they are refused",
    "local": "they are counted by this worker alone",
    "allow": "they are let on",
}


def known_address(address: StorageAddress) -> StorageAddress:
    """The address. Raises `ValueError` for one that no storage has, in words that do not show it."""
    if isinstance(address, SecretStr):
        RedisAddress.parse(address.get_secret_value())
    return address


def longest_wait(address: StorageAddress, timeout: int) -> int:
    """How many milliseconds a check may take at that address before it fails; `timeout` is that of one question."""
    if not isinstance(address, SecretStr):
        return round(PATIENCE * 1000)
    # A node of a cluster may send it on to another.
    return timeout * (2 if RedisAddress.parse(address.get_secret_value()).kind == "cluster" else 1)


def open_storage(
    address: StorageAddress,
    shared: Path,
    log: logging.Logger,
    uncounted: Counter,
    *,
    on_error: OnStorageError = "deny",
    timeout: float = 0.1,
    namespace: str = "outrider",
) -> Storage:
    """The storage of that address; where it fails, the log and `uncounted` tell, and on_error `local` counts here.

    `shared` is the folder of all workers of this machine; `timeout` in seconds. Raises `StartError`.
    """
    table = shared / "rate-limit"
    meanwhile, local = _MEANWHILE[on_error], None
    try:
        if isinstance(address, SecretStr):
            storage = _redis(address.get_secret_value(), namespace, timeout)
            local = open_counters(table) if on_error == "local" else None
            meanwhile = meanwhile.replace("worker", "machine")
        else:
            storage = open_counters(table)
            local = SharedCounters.private(shared) if on_error == "local" else None
    except (OSError, StorageError) as error:
        raise StartError(f"the counters can't be opened ({error})") from error
    return Watched(storage, log, uncounted, meanwhile, local)


def _redis(address: str, namespace: str, timeout: float) -> Storage:
    # Whoever counts in memory needs no client of Redis.
    from outrider_plugins.counting.redis.storage import open_redis

    return open_redis(address, namespace=namespace, timeout=timeout)
