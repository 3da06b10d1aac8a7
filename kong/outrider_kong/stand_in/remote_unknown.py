"""A protocol that Kong does not know: it starts, and every request of the plugin's routes is a 500."""

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.pdk import LuaError
from outrider_kong.stand_in.remote import Context, Remote


class UnknownRemote(Remote):
    """Has nothing to speak with."""

    async def handle(self, configured: Configured, context: Context) -> None:
        """Raises: there is no answer to be had."""
        del configured, context
        raise LuaError(f"unknown protocol implementation: {self.info.protocol}")
