"""What plugins that run by themselves on one route pass on to those behind them."""

import json
from typing import Any

from outrider.carried import Carried
from outrider.handover import identify, identity_of
from outrider.request import Request

ReplyHeaders = list[tuple[str, list[str]]]


class SoFar:
    """Who calls, and what downstream gets whatever answers, as the plugins before left it."""

    def __init__(self, text: str) -> None:
        """From what `to_text` wrote; nothing where this is the first plugin."""
        written: dict[str, Any] = json.loads(text) if text else {"identity": None, "reply": [], "stripped": []}
        self._identity: dict[str, Any] | None = written["identity"]
        self.stripped: list[str] = written["stripped"]
        """The identity headers that no stranger's value is under any more."""
        self.reply: ReplyHeaders = [(name, values) for name, values in written["reply"]]

    def to_text(self) -> str:
        return json.dumps({"identity": self._identity, "reply": self.reply, "stripped": self.stripped})

    def tell(self, request: Request) -> None:
        """Tells a request who sends it, and what goes where that turns out to be somebody else."""
        if self._identity is not None:
            identify(request, self._identity)
            request.carried = Carried(frozenset(self.stripped))

    def learn(self, request: Request, stripped: frozenset[str]) -> bool:
        """Takes over what a plugin has found out, and says whether that is anything new."""
        identity = identity_of(request) if request.consumer is not None or request.credential is not None else None
        changes = request.reply_changes()
        if identity == self._identity and not changes:
            return False
        if identity is not None:
            self.stripped = sorted(stripped.union(self.stripped))
        self._identity = identity
        self.merge(changes)
        return True

    def merge(self, changes: ReplyHeaders) -> None:
        """Adds reply headers in the place of those of their names."""
        names = {name for name, _ in changes}
        self.reply = [*(row for row in self.reply if row[0] not in names), *changes]
