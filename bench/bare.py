"""A gRPC server that says yes to ext_proc and ext_authz: what the transport costs when nothing decides.

Run as a process: `aio` (grpc.aio on uvloop) or `threads` (grpcio's thread pool), and an address.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import uvloop

from outrider_envoy.marks import DECIDED, NAMESPACE
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest, CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse

THREADS = 64


def _request_answer() -> ProcessingResponse:
    answer = ProcessingResponse()
    answer.request_headers.SetInParent()
    # Our bootstrap lets nothing on without it.
    answer.dynamic_metadata.update({NAMESPACE: {DECIDED: True}})
    return answer


def _response_answer() -> ProcessingResponse:
    answer = ProcessingResponse()
    answer.response_headers.SetInParent()
    return answer


ON_REQUEST, ON_RESPONSE, ALLOWED = _request_answer(), _response_answer(), CheckResponse()
ALLOWED.status.SetInParent()
ALLOWED.ok_response.SetInParent()


def _answer(message: ProcessingRequest) -> ProcessingResponse:
    return ON_REQUEST if message.HasField("request_headers") else ON_RESPONSE


async def process(messages: AsyncIterator[ProcessingRequest], _: object) -> AsyncIterator[ProcessingResponse]:
    async for message in messages:
        yield _answer(message)


async def check(_: CheckRequest, __: object) -> CheckResponse:
    return ALLOWED


def process_in_thread(messages: Iterator[ProcessingRequest], _: object) -> Iterator[ProcessingResponse]:
    yield from map(_answer, messages)


def check_in_thread(_: CheckRequest, __: object) -> CheckResponse:
    return ALLOWED


def services(process: Any, check: Any) -> tuple[grpc.GenericRpcHandler, ...]:
    stream = grpc.stream_stream_rpc_method_handler(
        process, ProcessingRequest.FromString, ProcessingResponse.SerializeToString
    )
    unary = grpc.unary_unary_rpc_method_handler(check, CheckRequest.FromString, CheckResponse.SerializeToString)
    return (
        grpc.method_handlers_generic_handler("envoy.service.ext_proc.v3.ExternalProcessor", {"Process": stream}),
        grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": unary}),
    )


async def serve_aio(address: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(services(process, check))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


def serve_threads(address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers(services(process_in_thread, check_in_thread))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1] == "aio":
        uvloop.run(serve_aio(sys.argv[2]))
    else:
        serve_threads(sys.argv[2])
