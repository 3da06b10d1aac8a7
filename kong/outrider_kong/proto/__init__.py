"""Envoy's wire: the messages and fields we use, under names of our own.

Only field numbers and types matter to Envoy, so the package `outrider.envoy` can't clash with an installed
copy of Envoy's own definitions. After a change to a .proto file:

    python -m grpc_tools.protoc -I envoy --python_out=envoy --pyi_out=envoy envoy/outrider_envoy/proto/*.proto
"""
