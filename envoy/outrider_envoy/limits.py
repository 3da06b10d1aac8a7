"""What a worker holds at most; Envoy's configuration says the same."""

BODY_LIMIT = 10 * 1024 * 1024
"""The largest body that is held for a plugin, in bytes; Envoy answers 413 to a larger one."""
STREAM_LIMIT = 10_000
"""How many streams one worker holds; Envoy gets RESOURCE_EXHAUSTED for more, and refuses those requests."""
MESSAGE_LIMIT = 2 * BODY_LIMIT + 1024 * 1024
"""The longest gRPC message, in bytes.

A piece of a body that streams is up to twice Envoy's buffer limit: what it holds, and what came meanwhile.
"""
