"""Where a worker hangs: the line of the plugin, whatever it had called there."""

import faulthandler
from pathlib import Path

import pytest

from harness.chains import acts, chain, walk_of
from outrider import Request, running
from outrider_cli.hang import where


def trace_of(hook: str, inside: str = "") -> str:
    """What faulthandler writes of the main thread, the innermost frame first."""
    frames = [inside, hook, f'  File "{running.__file__}", line 70 in answer', '  File "loop.py", line 1 in run']
    return "\n".join(["Current thread 0x1 (most recent call first):", *filter(None, frames), ""])


def test_a_hook_that_hangs_is_named_with_its_line() -> None:
    assert where(trace_of('  File "/my/plugin.py", line 7 in on_request')) == "(in on_request, /my/plugin.py:7)"


def test_what_a_hook_called_elsewhere_is_not_named_but_its_own_line() -> None:
    library = '  File "/lib/socket.py", line 718 in readinto'
    trace = trace_of('  File "/my/plugin.py", line 7 in on_request', library)
    assert where(trace) == "(in on_request, /my/plugin.py:7)"


def test_the_innermost_line_of_the_plugins_file_is_named() -> None:
    helper = '  File "/lib/socket.py", line 718 in readinto\n  File "/my/plugin.py", line 20 in _ask'
    trace = trace_of('  File "/my/plugin.py", line 7 in on_request', helper)
    assert where(trace) == "(in _ask, /my/plugin.py:20)"


def test_outside_of_hooks_the_innermost_line_is_named() -> None:
    assert where('  File "/x/worker.py", line 5 in main\n') == "(in main, /x/worker.py:5)"


@pytest.mark.parametrize("trace", ["", "Fatal Python error: Aborted\n"])
def test_a_worker_that_says_nothing_is_frozen(trace: str) -> None:
    assert where(trace) == "(frozen)"


def test_a_real_trace_of_a_hook_is_understood(tmp_path: Path) -> None:
    written = tmp_path / "trace"

    def hangs(_: Request) -> None:
        with written.open("w") as file:
            faulthandler.dump_traceback(file, all_threads=False)

    walk_of(chain(acts(on_request=hangs)).begin(Request()).request_phase())
    # The plugin of this test calls `hangs` from its own file.
    assert "chains.py:" in where(written.read_text())
