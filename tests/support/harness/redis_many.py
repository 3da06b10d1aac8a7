"""Several servers that stand in for each other: with a sentinel, and as a cluster."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from harness.process import until
from harness.redis_server import Product, RedisServer, free_port

SERVICE = "main"
_AT_ONCE = ("--repl-diskless-sync-delay", "0")
_SLOTS = 16_384


class Watched(NamedTuple):
    """A server, its replica, and the sentinel that watches both under the name `main`."""

    master: RedisServer
    replica: RedisServer
    sentinel: RedisServer

    @property
    def address(self) -> str:
        # The first is one that nobody is behind.
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/{SERVICE}"


@contextmanager
def watched(product: Product) -> Generator[Watched]:
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer(product, *_AT_ONCE, port=free_port()))
        of = ["--replicaof", "127.0.0.1", str(master.port)]
        replica = stack.enter_context(RedisServer(product, *_AT_ONCE, *of, port=free_port()))
        until(lambda: replica.ask("INFO", "replication")["master_link_status"] == "up")
        sentinel = stack.enter_context(RedisServer(product, "--sentinel", port=free_port(), config=_rules(master)))
        until(lambda: sentinel.ask("SENTINEL", "REPLICAS", SERVICE))
        yield Watched(master, replica, sentinel)


def _rules(master: RedisServer) -> str:
    rules = (f"monitor {SERVICE} 127.0.0.1 {master.port} 1", *_TIMES)
    return "".join(f"sentinel {rule}\n" for rule in rules)


_TIMES = (f"down-after-milliseconds {SERVICE} 400", f"failover-timeout {SERVICE} 2000")


@contextmanager
def cluster(product: Product, masters: int = 3) -> Generator[list[RedisServer]]:
    """Nodes that have a part of the keys each, and as the last one a replica of the first."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "700", "--cluster-require-full-coverage", "no"]
    options += ["--cluster-replica-validity-factor", "0", *_AT_ONCE]
    with ExitStack() as stack:
        # The bus' port is 10,000 higher unless it is told.
        nodes = [
            stack.enter_context(RedisServer(product, *options, "--cluster-port", str(free_port()), port=free_port()))
            for _ in range(masters + 1)
        ]
        _join(nodes, masters)
        yield nodes


def _join(nodes: Sequence[RedisServer], masters: int) -> None:
    _, bus = nodes[0].ask("CONFIG", "GET", "cluster-port")
    for number, node in enumerate(nodes):
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        if number < masters:
            first, end = (_SLOTS * part // masters for part in (number, number + 1))
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        if number:
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, bus)
    until(lambda: all(_is_whole(node, len(nodes)) for node in nodes))
    nodes[-1].ask("CLUSTER", "REPLICATE", nodes[0].ask("CLUSTER", "MYID"))
    until(lambda: nodes[-1].ask("INFO", "replication").get("master_link_status") == "up")


def _is_whole(node: RedisServer, nodes: int) -> bool:
    info = node.ask("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == nodes)


def caught_up(replica: RedisServer, master: RedisServer) -> None:
    """Waits until a replica has all that its master has now."""
    there = master.ask("INFO", "replication")["master_repl_offset"]
    until(lambda: replica.ask("INFO", "replication")["slave_repl_offset"] >= there)
