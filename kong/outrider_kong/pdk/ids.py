"""Numbers that kong-pdk begins anew at 0 with every start, and that Kong goes on with."""

import inspect
import time
from typing import Any, Final

_SINCE: Final = 1_577_836_800  # 2020-01-01


def number_on() -> None:
    """Lets the plugin server that is loading the caller count on from where no server before it can have been.

    Otherwise Kong's ids would stand for other instances and other events after a restart: the configuration of
    another route, the request of somebody else. Of ids that it does not know kong-pdk says so, and Kong starts anew.
    """
    server = _server()
    if server is None:
        return
    start = int((time.time() - _SINCE) * 1000)
    server.instance_id = max(server.instance_id, start)
    server.event_id = max(server.event_id, start)


def _server() -> Any:
    """kong-pdk loads plugins in a method of its server."""
    frame = inspect.currentframe()
    while frame is not None:
        found = frame.f_locals.get("self")
        if hasattr(found, "instance_id") and hasattr(found, "event_id"):
            return found
        frame = frame.f_back
    return None
