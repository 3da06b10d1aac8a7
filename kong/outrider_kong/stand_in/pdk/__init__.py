"""Kong's plugin development kit as functions over one request's state, by their names in Lua."""

from importlib import import_module

from outrider_kong.stand_in.pdk.registry import OFFERS, ExitError, LuaError, call

for _part in ("client", "context", "log", "request", "response", "router", "service_request", "service_response"):
    import_module(f"{__name__}.{_part}")

__all__ = ["OFFERS", "ExitError", "LuaError", "call"]
