"""What a plugin leaves at the end of a phase for a function in Lua: kong-pdk lets on what it fails to check.

An answer that comes late may reach another request, so the mark names the request; and with ids mixed up another
instance may have answered, so it names the place that the instance is for.
"""

import json
from typing import Final

REQUEST_ID: Final = "kong_request_id"
"""Kong's variable: 32 random digits for each request. nginx's own `request_id` has new ones whenever it is read."""


def key(name: str, phase: str) -> str:
    """Where in kong.ctx.shared the plugin `name` leaves the mark of a phase."""
    return f"outrider_guard:{name}" if phase == "access" else f"outrider_guard:{name}:{phase}"


def mark(request_id: str, config: str) -> str:
    """The request's id, and the route that the instance's configuration is for."""
    fields = json.loads(config)
    place = fields.get("route") or fields.get("route_id") or fields.get("service_id") or ""
    return f"{request_id} {place}"
