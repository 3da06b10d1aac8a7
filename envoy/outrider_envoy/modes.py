"""Which messages of a request Envoy sends for a chain: a phase that no plugin needs costs nothing.

What is configured is the most that a chain can need; answers to header messages make it fit the message at hand. So
an Envoy that ignores them (`allow_mode_override` unset) sends too much, and never too little.
"""

from typing import Final

from outrider.chain import Chain
from outrider.needs import Hook
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest, ProtocolConfiguration

Mode = ProcessingMode.BodySendMode

NONE: Final = ProcessingMode.NONE
STREAMED: Final = ProcessingMode.STREAMED
BUFFERED: Final = ProcessingMode.BUFFERED
DUPLEX: Final = ProcessingMode.FULL_DUPLEX_STREAMED

_SEND, _SKIP = ProcessingMode.SEND, ProcessingMode.SKIP


def processing_mode(chain: Chain) -> ProcessingMode:
    """The most that Envoy is to send for the chain."""
    request = _body_mode(chain.hooks, "on_request_body", "on_request_chunk")
    response = _body_mode(chain.hooks, "on_response_body", "on_response_chunk")
    return ProcessingMode(
        request_header_mode=_SEND,
        request_body_mode=request,
        # A body that never comes, and the end of one that streams, are known only by the trailers; and a stream with
        # response trailers lasts as long as its request.
        request_trailer_mode=_SEND if request != NONE else _SKIP,
        response_header_mode=_SEND if chain.needs_response else _SKIP,
        response_body_mode=response,
        response_trailer_mode=_SEND if response != NONE or "on_log" in chain.hooks else _SKIP,
    )


def modes_of(message: ProcessingRequest, chain: Chain) -> ProcessingMode | ProtocolConfiguration:
    """The modes in which Envoy sends bodies, which only its first message says; some Envoys do not."""
    return message.protocol_config if message.HasField("protocol_config") else processing_mode(chain)


def _body_mode(hooks: frozenset[Hook], whole: Hook, chunk: Hook) -> Mode:
    if whole in hooks:
        return BUFFERED
    # FULL_DUPLEX_STREAMED can't be taken back by an answer, so it is asked for in one.
    return STREAMED if chunk in hooks else NONE
