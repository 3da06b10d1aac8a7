"""What a proto file says, as plain data. Run as a program it describes Envoy's own files."""

import json
from importlib import import_module
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor

OFFICIAL = [
    "envoy.config.core.v3.address_pb2",
    "envoy.config.core.v3.base_pb2",
    "envoy.extensions.common.ratelimit.v3.ratelimit_pb2",
    "envoy.extensions.filters.http.ext_proc.v3.processing_mode_pb2",
    "envoy.service.auth.v3.attribute_context_pb2",
    "envoy.service.auth.v3.external_auth_pb2",
    "envoy.service.ext_proc.v3.external_processor_pb2",
    "envoy.service.ratelimit.v3.rls_pb2",
    "envoy.type.v3.http_status_pb2",
    "google.rpc.status_pb2",
]


def describe(file: FileDescriptor) -> dict[str, Any]:
    """Fields by message, and numbers by enum; the names without the package."""
    described: dict[str, Any] = {}
    for message in file.message_types_by_name.values():
        _describe_message(message, described)
    return described


def _describe_message(message: Descriptor, described: dict[str, Any]) -> None:
    described[_short(message)] = {field.name: _describe_field(field) for field in message.fields}
    for enum in message.enum_types:
        described[_short(enum)] = {value.name: value.number for value in enum.values}
    for nested in message.nested_types:
        _describe_message(nested, described)


def _describe_field(field: FieldDescriptor) -> list[Any]:
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof.name if field.containing_oneof else None
    return [field.number, field.type, _short(kind) if kind else None, field.is_repeated, oneof]


def _short(kind: Descriptor | EnumDescriptor) -> str:
    return kind.full_name.removeprefix(f"{kind.file.package}.")


if __name__ == "__main__":
    files = [import_module(name).DESCRIPTOR for name in OFFICIAL]
    print(json.dumps({name: fields for file in files for name, fields in describe(file).items()}))  # noqa: T201
