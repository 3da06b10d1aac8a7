"""Opens the storage that a configuration names."""

import logging
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from outrider import StartError
from outrider_plugins.counting.redis_address import RedisAddress
from outrider_plugins.counting.shared_memory import SharedCounters, open_counters
from outrider_plugins.counting.storage import Storage, StorageError
from outrider_plugins.counting.watched import Watched

MEMORY: Final = "memory"
Address = Literal["memory"] | SecretStr
"""`memory`, or an address that may hold a password."""
OnStorageError = Literal["deny", "local", "allow"]


def known_address(address: Address) -> Address:
    """The address. Raises `ValueError` for one that no storage has, in words that do not show it."""
    if isinstance(address, SecretStr):
        RedisAddress.parse(address.get_secret_value())
    return address


def open_storage(
    address: Address,
    shared: Path,
    log: logging.Logger,
    *,
    on_error: OnStorageError = "deny",
    timeout: float = 0.1,
    namespace: str = "outrider",
) -> Storage:
    """The storage of that address, with a word in the log where it fails; on_error `local` counts here meanwhile.

    `shared` is the folder of all workers of this machine; `timeout` in seconds. Raises `StartError`.
    """
    table = shared / "rate-limit"
    local: Storage | None = None
    try:
        if isinstance(address, SecretStr):
            storage = _redis(address.get_secret_value(), namespace, timeout)
            local = open_counters(table) if on_error == "local" else None
        else:
            storage = open_counters(table)
            local = SharedCounters.private(shared) if on_error == "local" else None
    except (OSError, StorageError) as error:
        raise StartError(f"the counters can't be opened ({error})") from error
    return Watched(storage, log, local)


def _redis(address: str, namespace: str, timeout: float) -> Storage:
    # Whoever counts in memory needs no client of Redis.
    from outrider_plugins.counting.redis_storage import open_redis

    return open_redis(address, namespace=namespace, timeout=timeout)
