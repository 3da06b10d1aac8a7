"""Which requests may be repeated although upstream may have begun with them: those that are idempotent.

Envoy repeats by the route, not by the method. So a filter lets the idempotent ones say so in a header, which the
router takes off before they go upstream.
"""

from outrider_envoy.render.plan import Section, typed

REPEATING = "outrider.repeating"
"""The name of the filter; a route can disable it."""

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")
"""RFC 9110, section 9.2.2. Kong does not repeat POST, PATCH and LOCK either."""

_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_MATCHER = "envoy.extensions.common.matching.v3.ExtensionWithMatcher"
_SKIP = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"
_HEADER = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"


def repeating_filter() -> Section:
    """Marks the requests that may be repeated after a failed or silent connection; right before the router."""
    header = {"header": {"key": "x-envoy-retry-on", "value": "reset"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    mutation = typed(_MUTATION, mutations={"request_mutations": [{"append": header}]})
    method = {"name": "method", "typed_config": typed(_HEADER, header_name=":method")}
    idempotent: Section = {
        "input": method,
        "value_match": {"safe_regex": {"google_re2": {}, "regex": "|".join(IDEMPOTENT)}},
    }
    others: Section = {"not_matcher": {"single_predicate": idempotent}}
    skip = {"action": {"name": "skip", "typed_config": typed(_SKIP)}}
    config = typed(
        _MATCHER,
        extension_config={"name": "envoy.filters.http.header_mutation", "typed_config": mutation},
        xds_matcher={"matcher_list": {"matchers": [{"predicate": others, "on_match": skip}]}},
    )
    return {"name": REPEATING, "typed_config": config}
