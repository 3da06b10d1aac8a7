"""gRPC over cleartext HTTP/2 on asyncio, for an Envoy on the same machine.

`server` listens, `protocol` is one transport, `connection` the frames on it without I/O, `stream` one call.
"""
