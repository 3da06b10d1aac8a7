import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.paths import normal_path


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/", "/"),
        ("/orders", "/orders"),
        ("/orders/", "/orders/"),
        ("//orders///1", "/orders/1"),
        ("/open/../orders", "/orders"),
        ("/open/%2e%2e/orders", "/orders"),
        ("/open/.%2E/orders", "/orders"),
        ("/%6frders", "/orders"),
        ("/../../etc", "/etc"),
        ("/a/./b", "/a/b"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/open/..;x=1/orders", "/orders"),
        ("/a/.;/b", "/a/b"),
        ("/a;x=1/b", "/a;x=1/b"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%2", "/a%2"),
        ("/ORDERS", "/ORDERS"),
    ],
)
def test_a_path_has_one_normal_form(path: str, normal: str) -> None:
    assert normal_path(path) == normal


@given(st.text(alphabet="/.%2eEfFa", max_size=30).map(lambda rest: "/" + rest))
def test_the_normal_form_is_stable_and_can_not_climb(path: str) -> None:
    once = normal_path(path)
    segments = once.split("/")
    assert once.startswith("/")
    assert ".." not in segments
    assert "." not in segments
    assert "//" not in once
