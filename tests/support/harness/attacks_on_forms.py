"""Attacks on forms and places: tokens that are good, but for how they are written or where they stand."""

import json
from collections.abc import Callable, Iterable

from harness import careless
from harness.attack import Attack, Sent, bearer
from harness.attacked import World

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STRICT = "only three parts of unpadded base64url in their one spelling are read"
ONE_TOKEN = "a request has one token, in one place"
SCHEME = "the scheme is Bearer, then spaces, then the token and nothing else"
PLACES = "only the configured places are looked at"

Edit = Callable[[str], str]


def edited(edit: Edit) -> Callable[[World], str]:
    """A good token in another spelling; what it says has a sign that no other alphabet has."""
    return lambda world: edit(world["RS256"].signed(x="?????"))


def credentials(pattern: str) -> Callable[[World], Sent]:
    """A good token in another value of `authorization`."""

    def make(world: World) -> Sent:
        token = world["RS256"].signed()
        return Sent(token, (("authorization", pattern.replace("TOKEN", token)),))

    return make


def placed(*headers: tuple[str, str], query: str = "") -> Callable[[World], Sent]:
    """A good token wherever TOKEN stands."""

    def make(world: World) -> Sent:
        token = world["RS256"].signed()
        return Sent(
            token,
            tuple((name, value.replace("TOKEN", token)) for name, value in headers),
            query.replace("TOKEN", token),
        )

    return make


def last_character(token: str) -> str:
    """Another last character that has the same bits where it has any."""
    place = ALPHABET.index(token[-1])
    return token[:-1] + ALPHABET[place + 1]


def other_alphabet(token: str) -> str:
    return token.replace("-", "+").replace("_", "/")


def padded(part: int) -> Edit:
    def edit(token: str) -> str:
        parts = token.split(".")
        parts[part] += "=" * (-len(parts[part]) % 4 or 4)
        return ".".join(parts)

    return edit


def inserted(text: str, place: int = 50) -> Edit:
    return lambda token: token[:place] + text + token[place:]


def flattened(token: str) -> str:
    head, payload, signature = token.split(".")
    return json.dumps({"protected": head, "payload": payload, "signature": signature})


def general(token: str) -> str:
    head, payload, signature = token.split(".")
    return json.dumps({"payload": payload, "signatures": [{"protected": head, "signature": signature}]})


def detached(token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}..{signature}"


def _spellings() -> Iterable[Attack]:
    known = "RFC 7515, section 2; CVE-2022-25898"
    for place, part in enumerate(("header", "payload", "signature")):
        yield Attack(f"padding at the {part}", known, STRICT, edited(padded(place)), careless.reads_leniently)
    yield Attack("the alphabet of plain base64", known, STRICT, edited(other_alphabet), careless.reads_leniently)
    yield Attack(
        "another last character with the same bits",
        "RFC 4648, section 3.5",
        STRICT,
        edited(last_character),
        careless.spells_anew,
    )
    for what, text in {
        "a space": " ",
        "a tab": "\t",
        "a percent sign": "%",
        "NUL as an escape": "%00",
        "a character beyond ASCII": "\xa0",
        "a control character": "\x7f",
    }.items():
        yield Attack(f"{what} inside the token", known, STRICT, edited(inserted(text)), careless.reads_leniently)
    edits: dict[str, Edit] = {
        "dots in percent-encoding": lambda token: token.replace(".", "%2E"),
        "a dot before the token": lambda token: f".{token}",
        "a dot behind the token": lambda token: f"{token}.",
        "a fourth part": lambda token: f"{token}.e30",
        "five parts of which three are a token": lambda token: f"{token}.e30.e30",
        "the signature twice": lambda token: f"{token}.{token.rpartition('.')[2]}",
    }
    for what, edit in edits.items():
        yield Attack(what, "RFC 7515, section 7.1", STRICT, edited(edit), careless.reads_leniently)
    json_forms = "RFC 7515, section 7.2; CVE-2022-39227"
    for what, edit in {"flattened": flattened, "general": general}.items():
        yield Attack(
            f"the {what} JSON serialization", json_forms, STRICT, edited(edit), careless.reads_any_serialization
        )


def _parts() -> Iterable[Attack]:
    known = "RFC 8725, section 2.1; CVE-2020-28042"
    edits: dict[str, Edit] = {
        "two parts": lambda token: token.rpartition(".")[0],
        "a signature that is stripped": lambda token: token.rpartition(".")[0] + ".",
        "a signature of one character": lambda token: token.rpartition(".")[0] + ".A",
        "a signature that is cut": lambda token: token[:-4],
        "a signature that is longer": lambda token: token + "AAAA",
        "a signature of blanks": lambda token: token.rpartition(".")[0] + ".AAAA",
    }
    for what, edit in edits.items():
        yield Attack(what, known, STRICT, edited(edit), careless.checks_no_signature)


def _floods() -> Iterable[Attack]:
    known, stop = (
        "CVE-2025-30204",
        "a token of more than 16 KiB is not taken apart, another one into four parts at most",
    )
    yield Attack(
        "a token and 10,000 dots", known, stop, edited(lambda token: token + "." * 10_000), careless.reads_leniently
    )
    yield Attack(
        "a token and 20,000 characters",
        known,
        stop,
        edited(lambda token: token + "A" * 20_000),
        careless.checks_no_signature,
    )


def _schemes() -> Iterable[Attack]:
    known = "RFC 6750, section 2.1; RFC 9110, section 11.4"
    for what, pattern in {
        "a tab behind Bearer": "Bearer\tTOKEN",
        "a colon behind Bearer": "Bearer: TOKEN",
        "an equals sign behind Bearer": "Bearer=TOKEN",
        "a token in quotes": 'Bearer "TOKEN"',
        "a token with a parameter": "Bearer TOKEN, realm=x",
        "a token with a comma": "Bearer TOKEN,",
        "a comma before the token": "Bearer ,TOKEN",
        "a token as a parameter": "Bearer token=TOKEN",
        "a word behind the token": "Bearer TOKEN x",
        "Bearer twice": "Bearer Bearer TOKEN",
        "two tokens in one value": "Bearer TOKEN, Bearer TOKEN",
        "a token behind another credential": "Basic YTpi, Bearer TOKEN",
        "a token before another credential": "Bearer TOKEN, Basic YTpi",
        "a bad token before a good one": "Bearer a.b.c, Bearer TOKEN",
        "a space that is none behind Bearer": "Bearer\xa0TOKEN",
        "a space beyond ASCII behind Bearer": "Bearer\xc2\xa0TOKEN",
        "a space beyond ASCII before the token": "Bearer \xc2\xa0TOKEN",
        "a space beyond ASCII behind the token": "Bearer TOKEN\xc2\xa0",
    }.items():
        yield Attack(what, known, SCHEME, credentials(pattern))
    for what, pattern in {
        "no space behind Bearer": "BearerTOKEN",
        "no scheme": "TOKEN",
        "the scheme JWT": "JWT TOKEN",
        "the scheme Token": "Token TOKEN",
        "the scheme DPoP": "DPoP TOKEN",
        "a scheme that begins alike": "Bearers TOKEN",
    }.items():
        yield Attack(what, known, SCHEME, credentials(pattern), seen=False)


def _twice() -> Iterable[Attack]:
    known = "RFC 6750, section 2"
    header = ("authorization", "Bearer TOKEN")
    bad = ("authorization", "Bearer a.b.c")
    for what, make in {
        "a token in two headers": placed(header, header),
        "a bad token in a header before a good one": placed(bad, header),
        "a bad token in a header behind a good one": placed(header, bad),
        "a token in a header and in the query": placed(header, query="token=TOKEN"),
        "a token in a header and in a cookie": placed(header, ("cookie", "session=TOKEN")),
        "a token in the query twice": placed(query="token=TOKEN&token=TOKEN"),
        "a bad token in the query before a good one": placed(query="token=x&token=TOKEN"),
        "an empty token in the query before a good one": placed(query="token=&token=TOKEN"),
        "a token in the query under an escaped name too": placed(query="t%6Fken=x&token=TOKEN"),
        "a token in a cookie twice": placed(("cookie", "session=TOKEN; session=TOKEN")),
        "a token in two cookie headers": placed(("cookie", "session=TOKEN"), ("cookie", "session=x")),
        "an empty token in a header beside one in the query": placed(
            ("authorization", "Bearer"), query="token=TOKEN"
        ),
    }.items():
        yield Attack(what, known, ONE_TOKEN, make)


def _elsewhere() -> Iterable[Attack]:
    for what, make in {
        "another header": placed(("x-access-token", "TOKEN")),
        "the header of another hop": placed(("proxy-authorization", "Bearer TOKEN")),
        "the header of another gateway": placed(("x-forwarded-authorization", "Bearer TOKEN")),
        "a parameter in another case": placed(query="Token=TOKEN"),
        "the parameter of RFC 6750": placed(query="access_token=TOKEN"),
        "a cookie in another case": placed(("cookie", "Session=TOKEN")),
        "a cookie of another name": placed(("cookie", "token=TOKEN")),
        "a parameter behind a semicolon": placed(query="a=b;token=TOKEN"),
    }.items():
        yield Attack(f"a token in {what}", "RFC 6750, section 2", PLACES, make, seen=False)
    known = "RFC 6750, section 2.3"
    for what, text in {"a newline": "%0A", "NUL": "%00", "a space": "+"}.items():
        make = placed(query=f"token=TOKEN{text}")
        yield Attack(f"{what} behind a token in the query", known, STRICT, make)


def joined(world: World) -> Sent:
    """The parts of two good tokens, one in each place."""
    token = world["RS256"].signed()
    head, payload, signature = token.split(".")
    return Sent(token, (("authorization", f"Bearer {head}.{payload}"), ("authorization", f".{signature}")))


ATTACKS = [
    *_parts(),
    *_spellings(),
    *_floods(),
    *_schemes(),
    *_twice(),
    *_elsewhere(),
    Attack("a token in two halves", "RFC 9110, section 5.3", ONE_TOKEN, joined),
    Attack(
        "a detached payload",
        "RFC 7515, appendix F",
        STRICT,
        lambda world: Sent(world["RS256"].signed(), bearer(detached(world["RS256"].signed())).headers),
    ),
]
