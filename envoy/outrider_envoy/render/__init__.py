"""Envoy's configuration, rendered from the file and the chains."""

from outrider_envoy.render.bootstrap import Plan, bootstrap
from outrider_envoy.render.pieces import Piece, pieces

__all__ = ["Piece", "Plan", "bootstrap", "pieces"]
