import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor

from harness import fields
from harness.wheels import wheel
from outrider_envoy.proto import core_pb2, ext_authz_pb2, ext_proc_pb2, rate_limit_pb2

FILES = {"core": core_pb2, "ext_proc": ext_proc_pb2, "ext_authz": ext_authz_pb2, "rate_limit": rate_limit_pb2}
ROOT = Path(core_pb2.__file__).parents[2]


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    """Read in a process of its own: the wheel owns top-level names that others own too."""
    environment = os.environ | {"PYTHONPATH": str(wheel("xds-protos-1.85.0"))}
    command = [sys.executable, fields.__file__]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    described: dict[str, Any] = json.loads(done.stdout)
    # Ours is a plain number: the same on the wire as the official enum.
    described["HttpStatus"]["code"] = fields.describe(core_pb2.DESCRIPTOR)["HttpStatus"]["code"]
    for message, field in [
        ("HttpHeaders", "headers"),
        ("HttpTrailers", "trailers"),
        ("AttributeContext.HttpRequest", "header_map"),
    ]:
        # Ours are the bytes of one.
        number, _, kind, *rest = described[message][field]
        assert kind == "HeaderMap"
        described[message][field] = [number, FieldDescriptor.TYPE_BYTES, None, *rest]
    entry = described["RateLimitDescriptor.Entry"]
    for field, (number, kind, *rest) in list(entry.items()):
        # The same on the wire, and Envoy puts in whatever bytes a header has.
        assert kind == FieldDescriptor.TYPE_STRING
        entry[field] = [number, FieldDescriptor.TYPE_BYTES, *rest]
    return described


@pytest.mark.parametrize("name", FILES)
def test_every_field_is_as_in_the_official_file(name: str, official: dict[str, Any]) -> None:
    descriptor: FileDescriptor = FILES[name].DESCRIPTOR
    for message, ours in fields.describe(descriptor).items():
        theirs = official[message]
        assert ours == {field: theirs.get(field) for field in ours}, message


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("suffix", ["_pb2.py", "_pb2.pyi"])
def test_the_generated_code_is_what_protoc_makes_now(name: str, suffix: str, tmp_path: Path) -> None:
    source = f"outrider_envoy/proto/{name}.proto"
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", *outputs, source], check=True)
    made = Path("outrider_envoy/proto") / f"{name}{suffix}"
    assert (tmp_path / made).read_text() == (ROOT / made).read_text(), "run `make proto`"
