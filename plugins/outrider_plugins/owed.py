"""What requests owe for their responses: charged when the price is known, whether there is room or not."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from outrider import Request, Response
from outrider.quiet_log import QuietLog
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.storage import Storage, StorageError
from outrider_plugins.response_cost import ResponseCost, UnknownCost

_KEY: Final = "rate-limit"
"""Under this name the request's context has the key that it owes under, until its price is charged."""


class Owed:
    """Charges each response once.

    `paid` is what its request was charged at first, `unknown` what it costs where the response does not tell, or
    never comes.
    """

    def __init__(
        self,
        storage: Storage,
        charges: Callable[[str], Sequence[Charge]],
        cost: ResponseCost,
        log: QuietLog,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        paid: int,
        unknown: int,
    ) -> None:
        self._storage, self._charges, self._cost = storage, charges, cost
        self._log, self._spawn = log, spawn
        self._paid, self._unknown = paid, unknown

    def begin(self, request: Request, key: str) -> None:
        """A request was let on, and owes under this key."""
        self._cost.prepare(request)
        request.context[_KEY] = key

    def answered(self, request: Request, response: Response, *, hide: bool) -> None:
        """The head of the response has come; with `hide` the header that tells the price goes no further."""
        if not self._cost.in_body:
            self._charge(request, self._cost.of_headers(response, hide=hide))
        elif (wrong := self._cost.of_type(response)) is not None:
            response.skip_body()
            self._charge(request, wrong)

    def answered_body(self, request: Request, body: bytes) -> None:
        """The whole body has come."""
        self._charge(request, self._cost.of_body(body))

    def ended(self, request: Request) -> None:
        """The request is over: if its caller left before the response told a price, it is charged now."""
        self._charge(request, UnknownCost("a request ended before its response was there"))

    def _charge(self, request: Request, cost: int | UnknownCost) -> None:
        key: str | None = request.context.pop(_KEY, None)
        if key is None:
            return
        if isinstance(cost, UnknownCost):
            self._log.error("%s: its request costs %s", cost.text, self._unknown)
            cost = self._unknown
        if cost > self._paid:
            charges = [charge._replace(cost=cost - self._paid) for charge in self._charges(key)]
            with suppress(StorageError):
                # The log has it. Upstream did its work: to keep the response back would undo nothing.
                if self._storage.try_take(charges, owed=True) is None:
                    # Behind the response, which has nothing to wait for, and though its caller may leave.
                    self._spawn(self._charge_later(charges))

    async def _charge_later(self, charges: Sequence[Charge]) -> None:
        with suppress(StorageError):
            await self._storage.take(charges, owed=True)
