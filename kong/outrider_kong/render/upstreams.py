"""Kong's upstreams with their targets."""

from collections.abc import Sequence

from outrider.config import Target, Upstream
from outrider.config.upstreams import Hash
from outrider_kong.render.fields import host_for_kong, without_nothing
from outrider_kong.render.plan import Plan, Section


def upstream_entities(plan: Plan) -> list[Section]:
    """Every upstream, with the targets that it has now."""
    upstreams = plan.configuration.upstreams
    return [_upstream(upstream, plan.targets.get(upstream.name, upstream.targets)) for upstream in upstreams]


def _upstream(upstream: Upstream, targets: Sequence[Target]) -> Section:
    shown = upstream.client_certificate
    return without_nothing(
        name=upstream.name,
        id=upstream.id,
        # Kong takes an upstream that hashes nothing and says so for one in turn, whatever its algorithm.
        algorithm=upstream.algorithm,
        slots=upstream.slots,
        **_hashes(upstream),
        host_header=upstream.host_header,
        client_certificate=None if shown is None else {"id": shown.id},
        healthchecks=upstream.healthchecks.model_dump(exclude_none=True, exclude_defaults=True) or None,
        tags=list(upstream.tags),
        targets=[_target(target) for target in targets],
    )


def _hashes(upstream: Upstream) -> Section:
    found: Section = {}
    for field, one in zip(("hash_on", "hash_fallback"), upstream.hashes, strict=False):
        found |= {field: one.kind, **_named(field, one)}
    if any(one.kind == "cookie" for one in upstream.hashes):
        found["hash_on_cookie_path"] = upstream.cookie_path
    return found


def _named(field: str, one: Hash) -> Section:
    if one.name is None:
        return {}
    return {"hash_on_cookie" if one.kind == "cookie" else f"{field}_{one.kind}": one.name}


def _target(target: Target) -> Section:
    return without_nothing(
        target=f"{host_for_kong(target.host)}:{target.port}",
        weight=target.weight,
        id=target.id,
        tags=list(target.tags),
    )
