"""Generated plays: what the plugins of played.py do to a generated request, and what upstream answers."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from harness import http1
from harness.upstream import Answer

Fields = list[tuple[str, str]]
Part = list[list[Any]]

NAMES = ["x-a", "x-b", "X-C", "cookie"]
TEXTS = ["", "one", "two, three", "a=1; b=2", 'say "hi"', "100%", "grün €", "tab\there"]
BYTES = "caf\udce9"
RAW = ["\xe9\xff"]
"""No UTF-8: as a plugin writes it, and as it is on the wire."""
QUERIES = ["", "a=1", "a=%2F&&b", "q;r=+%20"]
TYPE = ("content-type", "text/x-upstream")
BODIES = ["", "more", "é" * 40]


@dataclass(frozen=True)
class Scene:
    """One request, what the plugins play in it, and what upstream answers if it is asked."""

    method: str
    query: str
    headers: Fields
    body: bytes | None
    chunked: bool
    play: dict[str, Part]
    answer: Answer

    def encode(self, path: str) -> bytes:
        """The request as it goes over the wire."""
        target = f"{path}?{self.query}" if self.query else path
        headers = [("host", "plays.example"), *self.headers, ("x-play", json.dumps(self.play))]
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        body = self.body or b""
        if self.body is not None and self.chunked:
            lines.append("transfer-encoding: chunked")
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        elif self.body is not None:
            lines.append(f"content-length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def scenes(*, whole: bool) -> st.SearchStrategy[Scene]:
    """With `whole`, plugins that see responses and both bodies too."""
    hooks = ["request", *(["request_body", "response", "response_body"] if whole else [])]
    parts = {f"{who} {hook}": _part(hook, whole=whole) for who in ("First", "Second", "Third") for hook in hooks}
    return st.builds(
        Scene,
        method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
        query=st.sampled_from(QUERIES),
        headers=_fields(NAMES, RAW if whole else ()),
        body=st.none() | st.binary(max_size=20),
        chunked=st.booleans(),
        play=st.fixed_dictionaries({}, optional=parts),
        answer=_answer(),
    )


def _answer() -> st.SearchStrategy[Answer]:
    return st.builds(
        Answer,
        status=st.sampled_from([200, 201, 204, 304, 404, 503]),
        headers=st.tuples(_fields(["x-a", "x-b", "x-note", "set-cookie"], RAW), st.sampled_from([[], [TYPE]])).map(
            lambda both: both[0] + both[1]
        ),
        chunks=st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=3),
    ).map(_framed)


def _framed(answer: Answer) -> Answer:
    """One that has no body has none on the wire (RFC 9112, section 6.3)."""
    if answer.status not in (204, 304):
        return answer
    # nginx takes the type of no body off.
    return Answer(answer.status, [field for field in answer.headers if field != TYPE], ())


def _fields(names: list[str], raw: Sequence[str]) -> st.SearchStrategy[Fields]:
    texts = st.sampled_from([*(text.encode().decode("latin-1") for text in TEXTS if text), *raw])
    return st.lists(st.tuples(st.sampled_from(names), texts), max_size=4)


def _part(hook: str, *, whole: bool) -> st.SearchStrategy[Part]:
    # ext_authz can't set a value that is not UTF-8, nor append to one.
    text = st.sampled_from([*TEXTS, BYTES] if whole else TEXTS)
    names = st.sampled_from(["x-a", "x-b", "x-c", "x-new", *(["set-cookie"] if "response" in hook else ["cookie"])])
    steps: list[st.SearchStrategy[tuple[Any, ...]]] = [
        st.tuples(st.just("set"), names, text),
        st.tuples(st.just("append"), names, text),
        st.tuples(st.just("remove"), names),
    ]
    if "response" not in hook:
        steps += [
            st.tuples(st.just("query"), st.sampled_from(QUERIES)),
            st.tuples(st.just("note"), st.sampled_from(TEXTS)),
        ]
    if hook == "response":
        steps.append(st.tuples(st.just("status"), st.sampled_from([200, 202, 404])))
    if "body" in hook:
        steps.append(st.tuples(st.just("body"), st.sampled_from(BODIES)))
    # Most plugins let most requests on.
    ends: st.SearchStrategy[list[tuple[Any, ...]]] = st.one_of(
        st.just([]), st.just([]), st.lists(_end(), min_size=1, max_size=1)
    )
    return st.tuples(st.lists(st.one_of(steps), max_size=3), ends).map(
        lambda both: [list(step) for step in both[0] + both[1]]
    )


def _end() -> st.SearchStrategy[tuple[Any, ...]]:
    pairs = st.lists(st.tuples(st.sampled_from(["x-a", "set-cookie"]), st.sampled_from(["r", "s"])))
    return st.one_of(
        st.tuples(st.just("refuse"), st.sampled_from([401, 403, 429, 503])),
        st.tuples(st.just("reply"), st.sampled_from([200, 201, 302, 418]), st.sampled_from(BODIES), pairs),
        st.just(("raise",)),
    )


Seen = dict[str, Any]

# What each gateway says of itself, and how it frames a body: it is compared as it was read.
OWN = {
    *("connection", "content-length", "date", "forwarded", "host", "server", "transfer-encoding", "via"),
    *("x-forwarded-for", "x-forwarded-host", "x-forwarded-path", "x-forwarded-port", "x-forwarded-proto"),
    *("x-real-ip", "x-request-id", "x-play"),
}
OWN_PREFIXES = ("x-kong-", "x-envoy-")


# A refusal tells the request's id, which is each gateway's own.
REQUEST_ID = re.compile(rb'(?<="request_id": ")[^"]*')


def seen(message: http1.Message) -> Seen:
    """What may not differ from one gateway to the other."""
    headers: dict[str, list[str]] = {}
    for name, value in message.headers:
        if name.lower() not in OWN and not name.lower().startswith(OWN_PREFIXES):
            headers.setdefault(name.lower(), []).append(value)
    return {
        "headers": {name: _values(name, values) for name, values in headers.items()},
        "body": REQUEST_ID.sub(b"...", message.body),
    }


def _values(name: str, values: list[str]) -> list[str]:
    """Lines of one name are one list (RFC 9110, section 5.3): gateways join them or not, but those of cookies."""
    if name == "set-cookie":
        return values
    if name == "content-type":
        # Kong's `charset UTF-8` of nginx.
        return [value.lower().removesuffix("; charset=utf-8") for value in values]
    return [part.strip(" \t") for value in values for part in value.split(",")]
