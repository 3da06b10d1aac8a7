"""What it takes to find out who calls: `authenticate` by itself, among few consumers and many."""

from contextlib import ExitStack
from typing import Any

from claimants import MAKERS, Claim
from inside import inside
from measuring import Effort, Row, counted, interleaved

FEW, MANY = 10, 1_000_000
REMEMBERED = [kind for kind in MAKERS if kind.endswith("that is remembered")]
KEY, LOOK_UP, LOOK_UP_ANEW = (kind for kind in MAKERS if kind.startswith("key-auth"))
_BAD = [kind for kind in MAKERS if "a bad signature" in kind]
_FIRST = [kind for kind in MAKERS if "for the first time" in kind]


def measure(effort: Effort) -> dict[str, Any]:
    many = MANY // 10 if effort.quick else MANY
    claims = [Claim(kind, size) for kind in (*REMEMBERED, KEY, LOOK_UP) for size in (FEW, many)]
    claims += [Claim(LOOK_UP_ANEW, many), *(Claim(kind, FEW) for kind in _FIRST)]
    claims += [Claim(kind, FEW, good=False) for kind in _BAD]
    with ExitStack() as stack:
        return interleaved([_row(stack, claim) for claim in claims], effort)


def _row(stack: ExitStack, claim: Claim) -> Row:
    running = stack.enter_context(inside(claim, "authenticating.py"))
    return Row(f"{claim.kind}, {counted(claim.consumers, 'consumer')}", running.measure)
