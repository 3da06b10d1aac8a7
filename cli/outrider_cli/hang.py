"""Where a worker hangs: in which line of which plugin, from what faulthandler wrote."""

import re

from outrider import exchange, running, waiting

_FRAME = re.compile(r'^ *File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
# What calls hooks: the frame inside of the innermost of these is a hook.
_CALLERS = frozenset(module.__file__ for module in (exchange, running, waiting))


def where(trace: str) -> str:
    """(in NAME, FILE:LINE): the innermost line of the plugin's own file, else of all; (frozen) if there is none."""
    frames: list[tuple[str, str, str]] = _FRAME.findall(trace)
    called = next((place for place, (file, _, _) in enumerate(frames) if file in _CALLERS), 0)
    hooks_file = frames[called - 1][0] if called else None
    for file, line, name in frames:
        if hooks_file in (None, file):
            return f"(in {name}, {file}:{line})"
    return "(frozen)"
