"""The sections of the page about single plugins: who calls, and how much."""

from flood import AS_MUCH
from section import Section, cpu, megabytes, single
from tables import Column

CREDENTIALS = Section(
    "Who calls",
    "What a plugin's `authenticate` takes by itself, of requests that are there, one after another: a thousand "
    "different credentials (or all there are, as often) of consumers drawn by lot, each good before. Each "
    "row is a process of its own. *Remembered* is what was verified before: tokens with RS256, tokens that a server "
    "of introspection was asked about, passwords hashed with Argon2. *The look-up alone* is what key-auth does with "
    "the text of a key: its digest, whose it is, and what upstream is told of it; the rest of `authenticate` finds "
    "the one key in the request. Keys that did not come lately are 6,000 in turn, of which the plugin has none at "
    "hand, and so are tokens for the first time. Bad signatures are each another one. *Start* is the plugin's own "
    "`check` and `start`.",
    {
        "credentials": (
            (
                Column("CPU µs", "server", digits=1, spread=True),
                megabytes("MB", "memory"),
                Column("start s", "start", digits=1),
            ),
        )
    },
    {},
)

FLOOD = Section(
    "A flood of bad tokens",
    "jwt-auth alone, through a real Envoy with one thread and one worker: the latency of 100 good tokens a second, "
    "remembered ones, on 4 connections, while 1,667 others a second (100,000 a minute) come on 64 more. The bad ones "
    "are each a different one: with another signature (RS256) under the right key's id, with ids of keys that the "
    "issuer, whose keys are at an address, does not have, from issuers that nobody trusts, and text that is no "
    "token. *As many good ones* is what the same load costs that is let in. The minute came once and first, right "
    "after two seconds of good ones: memory before and after it is the worker's before and after 100,000 bad tokens. "
    "*Others/s* came in fact: a stall of up to a second is made up for. *Stolen* is the time that the host gave to "
    "other machines.",
    {
        "flood": (
            (
                Column("p50 to as many good ones", "p50", AS_MUCH),
                Column("p99 to as many good ones", "p99", AS_MUCH),
                Column("p50 µs", "p50", spread=True),
                Column("p99 µs", "p99", spread=True),
                Column("others/s", "flood"),
                Column("worker's CPU %", "server", scale=0.01),
                Column("worker MB before", "before", scale=1e6, digits=1),
                Column("after", "memory", scale=1e6, digits=1),
                Column("stolen %", "stolen", scale=0.01, spread=True),
            ),
        )
    },
    {},
)

LIMITS = Section(
    "How much",
    "A check of one limit by itself, of keys in turn, by each algorithm; beside it the library `limits`, which has "
    "no GCRA, and counts in the memory of one process, while ours is shared by all workers. *Keys' MB* is what the "
    "process grew by when all keys had come, with our whole table (12 MB). Then the same in a server on this "
    "machine, 64 checks at once, of which ours go out together: CPU is the client's.",
    {
        "limits": ((cpu("CPU µs a check", "check", spread=True), megabytes("keys' MB", "memory")),),
        "storages": ((cpu("CPU µs a check", "check", spread=True), Column("checks/s", "rate", spread=True)),),
    },
    {
        "limits": single("A check in memory", "CPU microseconds", "check"),
        "storages": single("A check in a server", "the client's CPU microseconds", "check"),
    },
)

SHAPES = Section(
    "In what shape",
    "The request hooks of one plugin by themselves, on requests that are there, with 7 to 8 headers and a token's "
    "claims. *Five operations* are remove, rename, replace, add (with two references) and append. The JSON has no "
    "white space, as most servers write it. *Five terms* are of the method, the path, a claim, the consumer and the "
    "route.",
    {"shapes": ((cpu("CPU µs a request", "server", spread=True), megabytes("MB", "memory")),)},
    {"shapes": single("The hooks of one request", "CPU microseconds", "server")},
)
