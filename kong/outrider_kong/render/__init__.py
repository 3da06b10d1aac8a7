"""Kong's configuration, rendered from the file and the chains."""

from outrider_kong.render.conf import Place, kong_conf
from outrider_kong.render.entities import kong_yml
from outrider_kong.render.plan import Plan

__all__ = ["Place", "Plan", "kong_conf", "kong_yml"]
