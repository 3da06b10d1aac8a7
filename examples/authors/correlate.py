"""A plugin that tells downstream something, whoever answers."""

from outrider import Needs, Plugin, Request


class Correlate(Plugin):
    """Sends the caller's x-order back with every answer."""

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers"}), reply_headers=("x-order",))

    def on_request(self, request: Request) -> None:
        if order := request.headers.get("x-order"):
            request.reply_headers["x-order"] = order
