"""Envoy's header_mutation filter, which sets the reply headers that a chain left in the metadata.

So a chain that has only these to say about the response costs no message for it, and they stand on what answers in
upstream's place, too.
"""

from outrider.chain import Chain
from outrider_envoy.marks import NAMESPACE, REPLY
from outrider_envoy.render.plan import Plan, Section, typed

HEADER_MUTATION = "envoy.filters.http.header_mutation"

_KIND = "envoy.extensions.filters.http.header_mutation.v3"


def reply_headers_filter(plan: Plan) -> list[Section]:
    """The filter, where any chain has reply headers; ext_authz has a way of its own."""
    if not any(_names(plan, chain) for chain in plan.chains.values()):
        return []
    return [{"name": HEADER_MUTATION, "typed_config": typed(f"{_KIND}.HeaderMutation", mutations={})}]


def reply_headers(plan: Plan, chain: Chain | None) -> Section:
    """What a route says to the filter: the names that its chain may set."""
    names = _names(plan, chain)
    if not names:
        return {}
    mutations = {"response_mutations": [_mutation(name) for name in names]}
    return {HEADER_MUTATION: typed(f"{_KIND}.HeaderMutationPerRoute", mutations=mutations)}


def _mutation(name: str) -> Section:
    # What is not in the metadata is left out, and upstream's own stays.
    header = {"key": name, "value": f"%DYNAMIC_METADATA({NAMESPACE}:{REPLY}:{name})%"}
    return {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _names(plan: Plan, chain: Chain | None) -> list[str]:
    ext_proc = plan.configuration.gateway.protocol == "ext_proc"
    return sorted(chain.reply_headers) if ext_proc and chain is not None else []
