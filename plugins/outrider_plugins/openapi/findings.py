"""What a message has that its description has not."""

import re
from typing import Literal, NamedTuple

Where = Literal["path", "query", "header", "cookie", "body", "status"]

MOST = 20
"""How many findings a message is told: one is reason enough, and each costs time."""
_PLAIN = re.compile(r"[A-Za-z0-9_.$@\[\]-]{1,64}")


class Finding(NamedTuple):
    """One thing that does not fit. Never with a value, which may be a secret: only names and rules.

    `name` is a parameter's or a header's; `pointer` leads into a value that has parts (RFC 6901).
    """

    where: Where
    name: str
    pointer: str
    message: str

    def told(self) -> dict[str, str]:
        """As downstream is told of it."""
        told: dict[str, str] = {"in": self.where}
        if self.name:
            told["name"] = self.name
        if self.pointer or self.where == "body":
            told["pointer"] = self.pointer[:512]
        return told | {"message": self.message}

    def logged(self) -> str:
        """As the log has it: names that a stranger may have chosen are `*` there unless they are plain."""
        steps = [step if _PLAIN.fullmatch(step) else "*" for step in self.pointer.split("/")[1:17]]
        name = self.name if not self.name or _PLAIN.fullmatch(self.name) else "*"
        return " ".join(part for part in (self.where, name, "/".join(["", *steps]), self.message) if part)
