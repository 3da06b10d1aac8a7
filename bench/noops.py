"""Plugins that look at nothing, as many as are wanted: what being asked costs."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_NOOP = '''
from outrider import Plugin, Request, Response

class Noop{number}(Plugin):
    """Looks at nothing."""

    def on_request(self, request: Request) -> None: ...
'''
_BOTH = '''
from outrider import Plugin, Request, Response

class BothPhases(Plugin):
    """Looks at nothing, twice."""

    def on_request(self, request: Request) -> None: ...

    def on_response(self, request: Request, response: Response) -> None: ...
'''


@contextmanager
def plugin_files(count: int) -> Generator[Path]:
    """A folder with the folder `plugins`, in which are noop1, noop2 and so on, and both-phases."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "plugins"
        folder.mkdir()
        for number in range(1, count + 1):
            (folder / f"noop_{number}.py").write_text(_NOOP.format(number=number))
        (folder / "both_phases.py").write_text(_BOTH)
        yield Path(name)
