"""A bare ext_proc server on grpc.aio: what the transport costs when nothing decides. Run as a process: PORT."""

import sys
from collections.abc import AsyncIterator

import grpc
import uvloop

from outrider_envoy.marks import DECIDED, NAMESPACE
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse


async def process(messages: AsyncIterator[ProcessingRequest], _: object) -> AsyncIterator[ProcessingResponse]:
    answer = ProcessingResponse()
    answer.request_headers.SetInParent()
    # Our bootstrap lets nothing on without it.
    answer.dynamic_metadata.update({NAMESPACE: {DECIDED: True}})
    async for _message in messages:
        yield answer


async def main() -> None:
    handler = grpc.stream_stream_rpc_method_handler(
        process, ProcessingRequest.FromString, ProcessingResponse.SerializeToString
    )
    service = grpc.method_handlers_generic_handler(
        "envoy.service.ext_proc.v3.ExternalProcessor", {"Process": handler}
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(sys.argv[1])
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
