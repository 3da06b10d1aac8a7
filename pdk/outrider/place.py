"""Where in a plugin's own code something went wrong."""

import inspect
import sys
import traceback
from pathlib import Path

from outrider.plugin import Plugin


def place(error: BaseException, plugin: Plugin, method: str) -> str:
    """FILE:LINE of the innermost line in the plugin's own file; where it has none in the traceback, the method's."""
    code = inspect.unwrap(getattr(type(plugin), method)).__code__
    files = {code.co_filename, getattr(sys.modules.get(type(plugin).__module__), "__file__", None)}
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    line = own[-1].lineno if own else code.co_firstlineno
    return f"{Path(own[-1].filename if own else code.co_filename).name}:{line}"
