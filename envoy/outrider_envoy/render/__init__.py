"""Envoy's configuration, rendered from the file and the chains."""

from outrider_envoy.render.bootstrap import Plan, bootstrap

__all__ = ["Plan", "bootstrap"]
