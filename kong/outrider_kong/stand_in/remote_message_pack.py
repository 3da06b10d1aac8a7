"""MsgPack:1 fails open: once an instance exists, whatever goes wrong in an event lets the request proceed."""

import asyncio
import logging

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.instances import Close, Start
from outrider_kong.stand_in.message_pack import Call, Event
from outrider_kong.stand_in.pdk import LuaError
from outrider_kong.stand_in.pool import ClosedError, ConnectError
from outrider_kong.stand_in.remote import Context, Remote
from outrider_kong.stand_in.values import Value, is_table

LOG = logging.getLogger("kong")


class MessagePackRemote(Remote):
    """One plugin over MsgPack:1. Each step may go over another connection."""

    _server_pid: Value = None

    async def handle(self, configured: Configured, context: Context) -> None:
        """Runs an event; an error that names no plugin instance starts it again, every other one is only logged."""
        while True:
            error = await self._event(configured, context)
            if error is None or error is False:
                return
            if not isinstance(error, bytes):
                raise LuaError(f"attempt to call method 'lower' on {error!r}")
            if b"no plugin instance" not in error.lower():
                LOG.error("%s: %s", self.info.name, error.decode("utf-8", "backslashreplace"))
                return
            self.instances.reset(self.info.name)
            await asyncio.sleep(0)

    async def _event(self, configured: Configured, context: Context) -> Value:
        instance = await self.instances.get(configured, self._start(context), self._close(context))
        event = Event(context.exchange, instance)
        while event.call:
            result, error = await self._call(context, *event.call)
            if error is not None:
                return error
            event.answer(result)
            while event.wants_body:
                await context.body.read_body()
                event.step()
        return None

    def _start(self, context: Context) -> Start:
        async def start(configured: Configured) -> Value:
            argument = {b"Name": self.info.name.encode(), b"Config": configured.json()}
            status, error = await self._call(context, b"plugin.StartInstance", argument)
            if not is_table(status):
                raise LuaError(f"starting instance: {error!r}")
            return status.get(b"Id")

        return start

    def _close(self, context: Context) -> Close:
        async def close(instance: Value) -> None:
            await self._call(context, b"plugin.CloseInstance", instance)

        return close

    async def _call(self, context: Context, method: bytes, argument: Value) -> tuple[Value, Value]:
        """The result and the error, as Lua returns them. No answer in time: the connection goes back all the same."""
        number = self.next_number()
        try:
            connection = await self.pool.take(self.info.socket)
        except ConnectError as error:
            return None, str(error).encode()
        current = Call(number, method, argument, self._notified)
        context.lost.add(connection)
        connection.write(current.request)
        try:
            while not current.done:
                current.receive(await connection.read(self.timeout))
        except (ClosedError, TimeoutError):
            current.error = b"no data"
        context.lost.forget(connection)
        self.pool.give_back(connection)
        return current.result, current.error

    def _notified(self, label: Value, argument: Value) -> None:
        """Another process id means another server: every instance of this plugin is gone."""
        if label != b"serverPid":
            return
        if self._server_pid is not None and argument != self._server_pid:
            self.instances.reset(self.info.name)
        self._server_pid = argument
