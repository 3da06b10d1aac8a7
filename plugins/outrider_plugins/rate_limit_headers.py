"""What downstream is told of its limits."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Literal

from outrider import Headers
from outrider_plugins.counting.rule import Rule, Usage

Form = Literal["ietf", "x-ratelimit"]

_NAMES: dict[Form, tuple[str, ...]] = {
    "ietf": ("ratelimit", "ratelimit-policy"),
    "x-ratelimit": ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
}


def header_names(forms: Sequence[Form]) -> tuple[str, ...]:
    """All headers of these forms."""
    return tuple(name for form in forms for name in _NAMES[form])


class RateLimitHeaders:
    """Tells the usage of several limits, in each of the forms.

    `ietf`: RateLimit header fields for HTTP, draft-ietf-httpapi-ratelimit-headers-10, section 4: an entry for each
    limit, named after its window. `x-ratelimit`: the three headers that many APIs have, of the limit that has least
    left; the reset is in seconds from now.
    """

    def __init__(self, forms: Sequence[Form], rules: Sequence[Rule], windows: Sequence[int]) -> None:
        self._ietf = "ietf" in forms
        self._x = "x-ratelimit" in forms
        self._names = [f'"{window}s"' for window in windows]
        self._rules = rules
        policies = zip(self._names, rules, strict=True)
        self._policy = ", ".join(f"{name};q={rule.quota};w={rule.span}" for name, rule in policies)

    def tell(self, headers: Headers, usages: Sequence[Usage]) -> None:
        """Sets them in the headers of a reply."""
        if self._ietf:
            headers["ratelimit"] = ", ".join(self._entries(usages))
            headers["ratelimit-policy"] = self._policy
        if self._x:
            rule, usage = min(zip(self._rules, usages, strict=True), key=lambda pair: pair[1].remaining)
            headers["x-ratelimit-limit"] = str(rule.quota)
            headers["x-ratelimit-remaining"] = str(usage.remaining)
            headers["x-ratelimit-reset"] = str(ceil(usage.reset))

    def _entries(self, usages: Sequence[Usage]) -> Iterator[str]:
        for name, usage in zip(self._names, usages, strict=True):
            yield f"{name};r={usage.remaining};t={ceil(usage.reset)}"
