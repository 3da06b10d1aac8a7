"""ProtoBuf:1 fails closed: what is no answer is a 500, but after a closed connection the event is sent again."""

import asyncio
import logging

from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.instances import Close, Start
from outrider_kong.stand_in.pdk import LuaError, call
from outrider_kong.stand_in.pool import ClosedError, ConnectError
from outrider_kong.stand_in.protobuf import Call, ServerError
from outrider_kong.stand_in.remote import Context, Remote
from outrider_kong.stand_in.values import Value

LOG = logging.getLogger("kong")
# What a real worker does in a second when each attempt ends in a closed connection.
PAUSE = 1 / 3500
FAILURES = (ClosedError, ConnectError, ServerError, TimeoutError)


class ProtobufRemote(Remote):
    """One plugin over ProtoBuf:1."""

    async def handle(self, configured: Configured, context: Context) -> None:
        """Runs an event, again and again for as long as the server closes the connection or knows no instance."""
        while not await self._attempt(configured, context):
            await asyncio.sleep(PAUSE)

    async def _attempt(self, configured: Configured, context: Context) -> bool:
        instance = await self.instances.get(configured, self._start(context), self._close(context))
        event = pb.HandleEvent(instance_id=instance, event_name=context.exchange.phase)
        try:
            await self._call(context, pb.RpcCall(handle_event=event), calling=True)
        except FAILURES as error:
            text = _text(error)
            if "no plugin instance" not in text and "closed" not in text:
                LOG.error("%s: pluginserver error: %s", self.info.name, text)
                call(context.exchange, "kong.response.error", [500])
            LOG.warning("%s: %s: starting its instances again", self.info.name, text)
            self.instances.reset(self.info.name)
            return False
        return True

    def _start(self, context: Context) -> Start:
        async def start(configured: Configured) -> Value:
            command = pb.RpcCall(start_instance=pb.StartInstance(name=self.info.name, config=configured.json()))
            try:
                returned = await self._call(context, command)
            except FAILURES as error:
                raise LuaError(f"starting instance: {_text(error)}") from None
            if not returned.HasField("instance_status"):
                raise LuaError("starting instance: no instance_status in RpcReturn")
            return returned.instance_status.instance_id

        return start

    def _close(self, context: Context) -> Close:
        async def close(instance: Value) -> None:
            command = pb.RpcCall(close_instance=pb.CloseInstance(instance_id=instance))
            try:
                await self._call(context, command)
            except FAILURES as error:
                LOG.info("%s: closing instance %s: %s", self.info.name, instance, _text(error))

        return close

    async def _call(self, context: Context, command: pb.RpcCall, *, calling: bool = False) -> pb.RpcReturn:
        # The number that goes out is one more than the one that is counted.
        command.sequence = self.next_number() + 1
        connection = await self.pool.take(self.info.socket)
        current = Call(command.sequence, command, context.exchange if calling else None)
        context.lost.add(connection)
        connection.write(current.output())
        while (result := current.result) is None:
            data = b"" if current.wants_body else await connection.read(self.timeout)
            try:
                current.receive(data)
            finally:
                connection.write(current.output())
            if current.wants_body:
                await context.body.read_body()
        if not current.leftover:
            context.lost.forget(connection)
            self.pool.give_back(connection)
        return result


def _text(error: Exception) -> str:
    return "timeout" if isinstance(error, TimeoutError) else str(error).lower()
