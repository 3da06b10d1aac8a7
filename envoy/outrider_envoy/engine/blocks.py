"""Header blocks: HPACK by the library `hpack`, with a memory for what came before (RFC 7541)."""

import logging
from collections.abc import Sequence

from hpack import Decoder, HPACKError, OversizedHeaderListError

from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.opening import Field, Opening, opened

# It logs every field, and some are secrets.
logging.getLogger("hpack").setLevel(logging.WARNING)

_MOST, _LONGEST = 1024, 1024

Memory = dict[bytes, Opening]
"""What header blocks said, by their bytes: for all connections of a server, at most 1,024 blocks of 1 KiB."""


class Blocks:
    """Reads the header blocks of one connection, which must all go through here, in order.

    A block is remembered only if the dynamic table could hold nothing before it and after: then its bytes mean the
    same on any connection at any time. With a table they mean what the blocks before them made of it.
    """

    def __init__(self, memory: Memory, limits: Limits) -> None:
        self._memory = memory
        self._decoder = Decoder(limits.header_list)

    def forbid_table(self) -> None:
        """The peer has acknowledged our table of size 0; its next block says so first (RFC 7541, section 4.2)."""
        self._decoder.max_allowed_table_size = 0

    def opening(self, block: bytes) -> Opening:
        """What a call begins with.

        Raises `StreamResetError` if it is malformed, `ConnectionEndsError` if the block is no HPACK.
        """
        bare = self._decoder.header_table_size == 0
        if bare and (known := self._memory.get(block)) is not None:
            return known
        opening = opened(self.fields(block))
        if bare and self._decoder.header_table_size == 0 and len(block) <= _LONGEST:
            if len(self._memory) >= _MOST:
                self._memory.clear()
            self._memory[block] = opening
        return opening

    def fields(self, block: bytes) -> Sequence[Field]:
        """The fields of a block, in bytes."""
        try:
            return [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError as error:
            raise ConnectionEndsError(ErrorCode.ENHANCE_YOUR_CALM, "a header list that is too long") from error
        except HPACKError as error:
            raise ConnectionEndsError(ErrorCode.COMPRESSION_ERROR, "a header block that is no HPACK") from error


class PartialBlock:
    """A header block of which more must come (RFC 9113, section 4.3)."""

    __slots__ = ("end", "fragments", "so_far", "stream_id")

    def __init__(self, stream_id: int, first: bytes, *, end: bool) -> None:
        self.stream_id = stream_id
        self.so_far = bytearray(first)
        self.end = end
        self.fragments = 0
