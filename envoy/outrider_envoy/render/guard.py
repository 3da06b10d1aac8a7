"""The filter behind the plugins: without the mark of a decision nothing goes upstream.

Envoy lets a request through when a plugin server ends its stream cleanly without an answer, whatever
`failure_mode_allow` says. This filter closes that door, and every other of its kind.
"""

from outrider.chain import Chain
from outrider_envoy.marks import DECIDED, NAMESPACE
from outrider_envoy.render.filters import EXT_AUTHZ
from outrider_envoy.render.plan import Plan, Section, typed

GUARD = "envoy.filters.http.rbac"

_KIND = "envoy.extensions.filters.http.rbac.v3"


def guard(plan: Plan) -> Section:
    """Envoy's RBAC filter, which asks for the mark."""
    namespace = NAMESPACE if plan.configuration.gateway.protocol == "ext_proc" else EXT_AUTHZ
    mark = {"filter": namespace, "path": [{"key": DECIDED}], "value": {"bool_match": True}}
    policy = {"permissions": [{"any": True}], "principals": [{"sourced_metadata": {"metadata_matcher": mark}}]}
    rules = {"action": "ALLOW", "policies": {"decided": policy}}
    return {"name": GUARD, "typed_config": typed(f"{_KIND}.RBAC", rules=rules)}


def unguarded(chain: Chain | None) -> Section:
    """What a route says to the filter: nothing where plugins run; where none does, there is no mark to ask for."""
    return {} if chain is not None and chain.slots else {GUARD: typed(f"{_KIND}.RBACPerRoute")}
