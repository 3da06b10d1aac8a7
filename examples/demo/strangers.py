"""Callers without a credential, who knock all the time."""

import threading
import time
from typing import Self

from gateway import Gateway


class Strangers:
    """Four of them, as long as the `with` lasts. `answers` are the status and the seconds of each answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._knock, daemon=True) for _ in range(4)]
        self.answers: list[tuple[int, float]] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _knock(self) -> None:
        while not self._stop.is_set():
            since = time.monotonic()
            status = self._gateway.get("/partners").status
            self.answers.append((status, time.monotonic() - since))
