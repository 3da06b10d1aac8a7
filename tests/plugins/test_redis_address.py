"""Addresses of Redis and Valkey, and what is no address."""

import pytest

from outrider_plugins.counting.redis.address import Node, RedisAddress

SECRET = "hunter2"


def test_a_host_is_all_that_is_needed() -> None:
    assert RedisAddress.parse("redis://cache") == RedisAddress(nodes=(Node("cache", 6379),))


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_a_port_a_database_a_user_and_a_password_are_read(scheme: str) -> None:
    address = RedisAddress.parse(f"{scheme}://me:p%40ss@10.0.0.1:7000/3")
    assert address == RedisAddress(nodes=(Node("10.0.0.1", 7000),), db=3, username="me", password="p@ss")


def test_a_password_needs_no_user() -> None:
    address = RedisAddress.parse("redis://:hunter2@cache")
    assert (address.username, address.password) == (None, SECRET)


@pytest.mark.parametrize("product", ["redis", "valkey"])
@pytest.mark.parametrize("rest", ["://cache", "+sentinel://cache/main", "+cluster://cache"])
def test_an_s_means_tls(product: str, rest: str) -> None:
    assert RedisAddress.parse(f"{product}s{rest}").tls
    assert not RedisAddress.parse(product + rest).tls


def test_a_unix_socket_is_a_path() -> None:
    address = RedisAddress.parse("unix://:hunter2@/run/a%20b.sock?db=2")
    assert address == RedisAddress(path="/run/a b.sock", db=2, password=SECRET)


def test_sentinels_are_asked_for_a_service() -> None:
    address = RedisAddress.parse("redis+sentinel://:hunter2@a,b:7000,[::1]:26380/main/2")
    nodes = (Node("a", 26379), Node("b", 7000), Node("::1", 26380))
    assert address == RedisAddress(kind="sentinel", nodes=nodes, service="main", db=2, password=SECRET)


def test_a_cluster_has_nodes_and_no_database() -> None:
    address = RedisAddress.parse("valkey+cluster://a,b:7000")
    assert address == RedisAddress(kind="cluster", nodes=(Node("a", 6379), Node("b", 7000)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no address"),
        ("memory", "is no address"),
        ("http://hunter2@cache", "is no address"),
        ("REDIS://cache", "is no address"),
        ("redis://cache/0#hunter2", "is no address"),
        ("redis://:hunter2@ca che", "is no address"),
        ("redis://:hunter2@caché", "is no address"),
        ("redis://:hunter2@other@cache", "is no address"),
        ("redis://:hunter2/@cache", "is no address"),
        ("redis://cache?password=hunter2", "is no address"),
        ("redis://cache?db=1", "belongs to unix://"),
        ("redis://hunter2@cache", "a user but no password"),
        ("redis://hunter2:@cache", "a user but no password"),
        ("redis://:hunter2@", "a host that is none"),
        ("redis://:hunter2@cache:0", "a host that is none"),
        ("redis://:hunter2@cache:65536", "a host that is none"),
        ("redis://:hunter2@cache:http", "a host that is none"),
        ("redis://:hunter2@::1", "a host that is none"),
        ("redis://:hunter2@a,b", "several hosts"),
        ("redis://:hunter2@cache/main", "the number of a database"),
        ("redis://:hunter2@cache/1/2", "the number of a database"),
        ("unix://hunter2", "no path of a Unix socket"),
        ("unix:///", "no path of a Unix socket"),
        ("redis+sentinel://:hunter2@a,b", "which service"),
        ("redis+sentinel://:hunter2@a,b/", "which service"),
        ("redis+sentinel://a/main/hunter2", "the number of a database"),
        ("redis+cluster://:hunter2@a,b/1", "a cluster has no databases"),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        RedisAddress.parse(text)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://me:hunter2@cache/3", "redis://cache:6379"),
        ("valkeys://me:hunter2@[::1]", "rediss://[::1]:6379"),
        ("unix://:hunter2@/run/redis.sock", "unix:///run/redis.sock"),
        ("redis+sentinel://:hunter2@a,b:1/main", "redis+sentinel://a:26379,b:1/main"),
        ("rediss+cluster://:hunter2@a,b:1", "rediss+cluster://a:6379,b:1"),
    ],
)
def test_an_address_is_shown_without_user_and_password(text: str, shown: str) -> None:
    address = RedisAddress.parse(text)
    assert str(address) == shown
    assert SECRET not in repr(address)
