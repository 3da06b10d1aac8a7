"""How a trace passes from one service to the next: the headers of each format, read and written.

Formats are named as in OpenTelemetry's OTEL_PROPAGATORS: `w3c` is its `tracecontext`.
"""

from outrider_plugins.propagation.formats import HEADERS, Format, Propagation
from outrider_plugins.propagation.trace import Trace, new_span_id, new_trace

__all__ = ["HEADERS", "Format", "Propagation", "Trace", "new_span_id", "new_trace"]
