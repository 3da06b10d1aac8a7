"""Our plugins in kong-pdk, Kong's own Python PDK: one module for each name that Kong calls them by.

kong-pdk calls a plugin in a thread, a greenlet or a process of a pool. There only Kong is called (`driver`); the
hooks run on one event loop in a thread of its own (`worker`), as they expect, and settle what they wait for there.
"""

from outrider_kong.pdk.ids import number_on
from outrider_kong.pdk.plugin import plugin_class
from outrider_kong.pdk.worker import Workers

__all__ = ["Workers", "number_on", "plugin_class"]
