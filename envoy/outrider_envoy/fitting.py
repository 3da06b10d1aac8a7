"""Makes the mode in which Envoy sends a body fit the message at hand, and keeps its length right."""

from outrider.chain import Chain
from outrider_envoy.direction import Direction
from outrider_envoy.errors import ProtocolError
from outrider_envoy.modes import BUFFERED, DUPLEX, NONE, STREAMED, Mode, processing_mode
from outrider_envoy.mutations import write_header
from outrider_envoy.proto.ext_proc_pb2 import CommonResponse, ProcessingMode, ProcessingResponse


def fitted(
    answer: ProcessingResponse, active: Direction, other: Direction, chain: Chain, *, resizes: bool
) -> ProcessingResponse:
    """The answer to a header message, with another body mode where that fits the message better.

    Raises `ProtocolError` if Envoy is not configured to send what the chain needs.
    """
    wanted = active.wanted(resizes=resizes)
    if not active.can_be(wanted):
        mode = "BUFFERED" if wanted == BUFFERED else "STREAMED"
        raise ProtocolError(f"a plugin needs the body, and Envoy's {active.body}_mode is not {mode}: set it so")
    if wanted == active.mode or active.configured == DUPLEX or active.ends_bare:
        return answer
    before, active.mode = active.mode, wanted
    # What is left unset becomes NONE, or what the filter has and not its route.
    override = processing_mode(chain)
    setattr(override, f"{active.body}_mode", active.mode)
    setattr(override, f"{other.body}_mode", other.mode)
    return _with_mode(answer, active, before, override)


def _with_mode(
    answer: ProcessingResponse, active: Direction, before: Mode, override: ProcessingMode
) -> ProcessingResponse:
    whole = ProcessingResponse()
    whole.CopyFrom(answer)
    whole.mode_override.CopyFrom(override)
    common: CommonResponse = getattr(whole, active.headers).response
    replaced = common.status == CommonResponse.CONTINUE_AND_REPLACE
    if active.mode == NONE and before == STREAMED and active.length is not None and not replaced:
        # Envoy has dropped it, as it must where the length may change.
        write_header(common.header_mutation.set_headers.add(), "content-length", active.length)
    if active.mode in (STREAMED, DUPLEX) and before in (NONE, BUFFERED):
        # Envoy would keep it, and a body of another length would smuggle a second message behind it.
        common.header_mutation.remove_headers.append("content-length")
    return whole
