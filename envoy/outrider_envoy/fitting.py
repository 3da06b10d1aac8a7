"""Makes the mode in which Envoy sends a body fit the message at hand, and keeps its length right."""

from outrider.chain import Chain
from outrider_envoy.answers import Answer
from outrider_envoy.direction import Direction
from outrider_envoy.errors import ProtocolError
from outrider_envoy.modes import BUFFERED, DUPLEX, NONE, STREAMED, Mode, processing_mode
from outrider_envoy.mutations import header_removed, header_set


def fit(answer: Answer, active: Direction, other: Direction, chain: Chain, *, resizes: bool) -> None:
    """Adds another body mode to the answer to a header message, where that fits the message better.

    Raises `ProtocolError` if Envoy is not configured to send what the chain needs.
    """
    wanted = active.wanted(resizes=resizes)
    if not active.can_be(wanted):
        mode = "BUFFERED" if wanted == BUFFERED else "STREAMED"
        raise ProtocolError(f"a plugin needs the body, and Envoy's {active.body}_mode is not {mode}: set it so")
    if wanted == active.mode or active.configured == DUPLEX or active.ends_bare:
        return
    before, active.mode = active.mode, wanted
    # What is left unset becomes NONE, or what the filter has and not its route.
    override = processing_mode(chain)
    setattr(override, f"{active.body}_mode", active.mode)
    setattr(override, f"{other.body}_mode", other.mode)
    answer.override_mode(override.SerializeToString())
    _keep_length(answer, active, before)


def _keep_length(answer: Answer, active: Direction, before: Mode) -> None:
    if active.mode == NONE and before == STREAMED and active.length is not None and not answer.replaces:
        # Envoy has dropped it, as it must where the length may change.
        answer.mutation += header_set("content-length", active.length)
    if active.mode in (STREAMED, DUPLEX) and before in (NONE, BUFFERED):
        # Envoy would keep it, and a body of another length would smuggle a second message behind it.
        answer.mutation += header_removed("content-length")
