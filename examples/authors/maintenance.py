"""A plugin that waits for something, and one resource for all requests of a worker."""

import asyncio

from outrider import Plugin, Refusal, Request, Runtime, StartError


class Maintenance(Plugin):
    """Answers 503 while a switch, a small TCP server, says `closed`."""

    host: str = "127.0.0.1"
    """Where the switch is."""
    port: int
    """Its port."""

    async def start(self, runtime: Runtime) -> None:
        try:
            await self._state()
        except OSError as error:
            raise StartError(f"no switch at {self.host}:{self.port}") from error

    async def on_request(self, request: Request) -> Refusal | None:
        if await self._state() == b"closed":
            return Refusal(503, "Closed for maintenance", headers={"retry-after": "60"})
        return None

    async def _state(self) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            return (await reader.readline()).strip()
        finally:
            writer.close()
