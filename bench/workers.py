"""Workers as processes: ours as `outrider serve envoy` starts them, and bare gRPC servers."""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc

from gateways import bare_server, chosen
from harness.bootstrap import Config
from harness.outrider import Outrider


@dataclass(frozen=True)
class Worker:
    """A process that takes gRPC on a unix socket."""

    pid: int
    socket: Path


@contextmanager
def outrider(folder: Path, config: Config, transport: str) -> Generator[Worker]:
    """The first worker of `outrider serve envoy`."""
    folder.mkdir()
    listen = ["--listen", f"unix:{folder}"]
    with Outrider(folder, config, "serve", "envoy", *listen, *chosen(transport)) as started:
        (pid, *_) = started.ready().workers()
        yield Worker(pid, folder / "worker-0.sock")


@contextmanager
def bare(folder: Path, kind: str) -> Generator[Worker]:
    """A server that only says yes."""
    folder.mkdir()
    socket = folder / "bare.sock"
    with bare_server(kind, socket) as pid:
        yield Worker(pid, socket)


def answers(worker: Worker, path: str, body: bytes, metadata: Mapping[str, str]) -> list[bytes]:
    """The answers to messages one behind the other, by a real gRPC client; raises `AioRpcError` for any other end."""
    return asyncio.run(_answers(worker, path, _messages(body), metadata))


async def _answers(worker: Worker, path: str, messages: list[bytes], metadata: Mapping[str, str]) -> list[bytes]:
    async with grpc.aio.insecure_channel(f"unix:{worker.socket}") as channel:
        method: grpc.aio.StreamStreamMultiCallable[Any, Any] = channel.stream_stream(path)
        call = method(iter(messages), metadata=tuple(metadata.items()), wait_for_ready=True)
        return [cast("bytes", answer) async for answer in call]


def _messages(body: bytes) -> list[bytes]:
    found: list[bytes] = []
    while body:
        length = int.from_bytes(body[1:5], "big")
        found.append(body[5 : 5 + length])
        body = body[5 + length :]
    return found
