"""What the page says, section by section."""

from judging import BARE_STRAIGHT
from kong import GEVENT, ONE, THREADS
from phases import NOOP as NOOP_PHASE
from section import Section, by_kind, cpu, grown, megabytes, single, split
from sections_of_plugins import CREDENTIALS, FLOOD, LIMITS, SHAPES
from tables import Column
from through import BARE, NATIVE

_THROUGH = Section(
    "Through a real Envoy",
    "One worker thread of Envoy's, one worker, wrk over HTTP/1.1 with 1 and with 64 connections; the upstream "
    "is another Envoy that answers by itself. *Native filters* are Envoy's own for the same: jwt_authn "
    "(RS256, keys in the configuration), local_ratelimit (one bucket, with its headers), header_mutation (the "
    "same five changes), OpenTelemetry's tracer sampling nothing, so that it only hands a traceparent on. By "
    "default jwt_authn verifies each token each time; *tokens remembered* is the same with its cache "
    "(`jwt_cache_config`). *Four plugins* are jwt-auth, rate-limit by consumer, request-transform and tracing "
    "with `sample: 0`; before it is measured, a request shows that upstream sees just the same as behind the "
    "native filters. The bare servers do nothing but say yes. No peer of PyPI's "
    "stands here: envoy-extproc-sdk 0.1.1 can't be imported as it installs, and langgate-processor is the "
    "processor of one product and wants Python 3.13.",
    {
        "through": (
            (
                Column("req/s to native", "rate 64", NATIVE),
                Column("req/s, 64 connections", "rate 64", spread=True),
                Column("p50 µs", "p50 64"),
                Column("p99 µs", "p99 64"),
                Column("req/s, 1 connection", "rate 1", spread=True),
                Column("p50 µs", "p50 1"),
                Column("p99 µs", "p99 1"),
            ),
            (
                Column("server's CPU to bare grpc.aio", "server 64", BARE["aio"]),
                Column("Envoy's CPU to native", "envoy 64", NATIVE),
                cpu("server µs a request, 64 connections", "server 64", spread=True),
                cpu("Envoy µs a request", "envoy 64", spread=True),
                cpu("server µs a request, 1 connection", "server 1"),
                cpu("Envoy µs a request", "envoy 1"),
            ),
        )
    },
    {"through": split("CPU of one request through Envoy, 64 connections", "server 64", "envoy 64")},
)

_STRAIGHT = Section(
    "Straight into the worker",
    "The worker of `outrider serve envoy` on its unix socket, h2load on one connection with 32 streams at a "
    "time, each of which sends the messages of one request and ends. Nothing of Envoy's is in these figures.",
    {
        "straight": (
            (
                Column("CPU to bare grpc.aio", "server", BARE_STRAIGHT),
                cpu("CPU µs a decision", "server", spread=True),
                Column("decisions/s", "rate", spread=True),
            ),
        )
    },
    {"straight": single("CPU of one decision, straight into the worker", "microseconds", "server")},
)

_LAYERS = Section(
    "Where the microseconds go",
    "The same decisions in a process of its own, from the bytes of Envoy's message to the bytes of the "
    "answer. *With HTTP/2* they go through the engine's frames in memory; what a decision straight into the worker "
    "costs beyond that are the sockets and the event loop.",
    {
        "layers": (
            (
                Column("to a no-op plugin", "server", "a no-op plugin"),
                Column("CPU µs a decision", "server", digits=1, spread=True),
            ),
        )
    },
    {"layers": single("CPU of one decision without a transport", "microseconds", "server")},
)

_GROWTH = Section(
    "Growth",
    "Routes: a request to the last of them through Envoy, on the engine; *start* is the time until `outrider "
    "run` was ready. Envoy looks through its routes one by one. Consumers and counters: decisions of key-auth "
    "and of rate-limit for a thousand of them drawn by lot, with no transport around them; the consumers are "
    "made in the process, since a file may have 16 MiB. *Refused* are keys that found no place among the "
    "counters.",
    {
        "routes": (
            (
                Column("worker's CPU to the first", "server", "10 routes"),
                Column("Envoy's CPU to the first", "envoy", "10 routes"),
                cpu("worker µs", "server", spread=True),
                cpu("Envoy µs", "envoy", spread=True),
                megabytes("worker MB", "memory"),
                megabytes("Envoy MB", "envoy memory"),
                Column("start s", "start", digits=1),
            ),
        ),
        "consumers": (
            (
                Column("CPU to the first", "server", "10 consumers"),
                Column("CPU µs a decision", "server", digits=1, spread=True),
                megabytes("MB", "memory"),
                Column("start s", "start", digits=1),
            ),
        ),
        "keys": (
            (
                Column("CPU to the first", "server", "1 key"),
                Column("CPU µs a decision", "server", digits=1, spread=True),
                megabytes("MB", "memory"),
                Column("refused %", "refused", scale=0.01, digits=1),
            ),
        ),
    },
    {
        "routes": grown(
            "A request to the last of so many routes", "microseconds", {"worker": "server", "Envoy": "envoy"}
        ),
        "consumers": grown("A decision of key-auth by consumers", "microseconds", {"worker": "server"}),
        "keys": grown("A decision of rate-limit by counters", "microseconds", {"worker": "server"}),
    },
)

_BODIES = Section(
    "Bodies",
    "POST requests through Envoy on 4 connections, to a plugin that does not look at the body, to one that "
    "takes it whole (`on_request_body`) and to one that passes it on in chunks (`on_request_chunk`). Memory "
    "is the worker's peak.",
    {
        "bodies": (
            (
                Column("MB/s", "throughput", digits=1, spread=True),
                Column("p50 µs", "p50"),
                cpu("server µs a request", "server"),
                cpu("Envoy µs a request", "envoy"),
                megabytes("worker MB", "memory"),
            ),
        )
    },
    {},
)

_STREAMS = Section(
    "Streams in flight",
    "So many requests that were let on by the four plugins and a fifth that waits for the response, as while "
    "a slow upstream works; then what one more request costs, both phases, straight into the worker and one "
    "at a time. The last size leaves room for it below a worker's limit of 10,000 streams.",
    {
        "streams": (
            (
                megabytes("worker MB", "memory"),
                cpu("CPU µs a request", "server", spread=True),
                Column("requests/s, one at a time", "rate"),
            ),
        )
    },
    {"streams": by_kind("Memory of a worker with streams in flight", "MB", "memory", 1e6)},
)

_SPREAD = Section(
    "Even spread",
    "Four workers behind one Envoy with two threads, the four plugins. *Least* and *most* are the CPU time of "
    "the idlest and of the busiest worker, to the mean of all four.",
    {
        "spread": (
            (
                Column("least", "least", digits=2),
                Column("most", "most", digits=2),
                Column("req/s", "rate", spread=True),
                cpu("CPU µs a request, all workers", "server"),
            ),
        )
    },
    {},
)

_PHASES = Section(
    "What each phase adds",
    "One plugin for each, on the engine through Envoy, 16 connections. What a plugin asks for is what it pays for.",
    {
        "phases": (
            (
                Column("server's CPU to a no-op plugin", "server", NOOP_PHASE),
                Column("Envoy's CPU to a no-op plugin", "envoy", NOOP_PHASE),
                cpu("server µs a request", "server", spread=True),
                cpu("Envoy µs a request", "envoy", spread=True),
            ),
        )
    },
    {"phases": split("CPU of one request, by what its plugin asks for", "server", "envoy")},
)

_DOWNLOADS = Section(
    "Responses that stream",
    "One download at a time through Envoy and plugins that see it in chunks; and how long one server-sent "
    "event takes from upstream to downstream.",
    {
        "downloads": (
            (
                Column("ms", "took", scale=1e3, digits=2, spread=True),
                megabytes("worker's peak MB", "memory"),
                megabytes("Envoy's peak MB", "envoy memory"),
            ),
        )
    },
    {},
)

_KONG = Section(
    "Kong",
    "Plugin servers driven as one worker of Kong's drives them, on 16 connections with one event at a time on "
    "each: the same plugin, which reads a header and sets two, in kong-pdk's three modes and in `outrider "
    "serve kong`; then two chains of four plugins in one event, of its kind and of bundled ones "
    "(correlation-id, key-auth, rate-limit, request-transform).",
    {
        "kong": (
            (
                Column("events/s to threads", "rate", THREADS),
                Column("events/s to gevent", "rate", GEVENT),
                Column("CPU to one plugin of ours", "server", ONE),
                Column("events/s", "rate", spread=True),
                cpu("CPU µs an event", "server", spread=True),
                Column("p50 µs", "p50"),
                Column("p99 µs", "p99"),
            ),
        )
    },
    {"kong": single("Events a second of one worker of Kong's", "events/s", "rate")},
)

SECTIONS = (
    _THROUGH,
    _STRAIGHT,
    _LAYERS,
    _GROWTH,
    CREDENTIALS,
    FLOOD,
    LIMITS,
    SHAPES,
    _BODIES,
    _STREAMS,
    _SPREAD,
    _PHASES,
    _DOWNLOADS,
    _KONG,
)
