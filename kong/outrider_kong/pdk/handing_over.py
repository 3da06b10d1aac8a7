"""Waits for the loop's thread, in a thread or in a greenlet of gevent's that lets the others go on."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

T = TypeVar("T")

_LOOK: Final = 1.0
"""How often a wait looks whether the loop lives, in seconds."""


class BlockedError(Exception):
    """The loop does not answer: a hook keeps it."""


def wait(future: "Future[T]", alive: Callable[[], bool]) -> T:
    """What the future comes to. Raises `BlockedError` once there is no life in its loop."""
    done = _waiting(future)
    while not done(_LOOK):
        if not alive():
            future.cancel()
            raise BlockedError
    return future.result()


def pause(seconds: float) -> None:
    """Sleeps; other greenlets go on."""
    if (gevent := _greenlets()) is None:
        time.sleep(seconds)
    else:
        gevent.sleep(seconds)


def _waiting(future: "Future[Any]") -> Callable[[float], bool]:
    """A function that waits for so many seconds and says whether the future is done."""
    if (gevent := _greenlets()) is None:
        return lambda seconds: _is_done(future, seconds)
    # Set by the loop's thread, from where only this function may be called.
    loop, done = gevent.get_hub().loop, sys.modules["gevent.event"].Event()
    future.add_done_callback(lambda _: loop.run_callback_threadsafe(done.set))
    return lambda seconds: bool(done.wait(seconds))


def _is_done(future: "Future[Any]", seconds: float) -> bool:
    try:
        future.exception(seconds)
    except TimeoutError:
        return future.done()
    return True


def _greenlets() -> Any:
    """gevent, where this runs in one of its greenlets: kong-pdk imports it in all modes."""
    gevent = sys.modules.get("gevent")
    return gevent if gevent is not None and isinstance(gevent.getcurrent(), gevent.Greenlet) else None
