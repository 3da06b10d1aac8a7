"""A plugin server that speaks MsgPack:1 and does what a test says."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from harness.kong_transcript import msgpack

Script = Callable[[str], Generator[tuple[Any, ...], Any, None]]
"""An event of a phase: yields functions with their arguments, gets what Kong says."""


class Server:
    """Runs `script` for every event."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.script: Script = lambda _: iter(())  # type: ignore[assignment,return-value]
        self._events: list[Generator[tuple[Any, ...], Any, None]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Kong may be gone.
        with connection, suppress(OSError):
            unpacker = msgpack.Unpacker(strict_map_key=False)
            while data := connection.recv(65536):
                unpacker.feed(data)
                for _, number, method, (argument,) in unpacker:
                    connection.sendall(msgpack.packb([1, number, None, self._answer(method, argument)]))

    def _answer(self, method: str, argument: Any) -> Any:
        if method == "plugin.StartInstance":
            return {"Id": 7}
        if method == "plugin.HandleEvent":
            self._events.append(self.script(argument["EventName"]))
            return self._step(len(self._events) - 1, None)
        return self._step(argument["EventId"], argument.get("Data"))

    def _step(self, event: int, answer: Any) -> Any:
        try:
            method, *arguments = self._events[event].send(answer)
        except StopIteration:
            return {"EventId": event, "Data": "ret"}
        return {"EventId": event, "Data": {"Method": method, "Args": arguments}}
