"""Pieces of Envoy's configuration as YAML to paste from."""

from collections.abc import Iterable

import yaml

from outrider_envoy.render import Piece


def to_yaml(pieces: Iterable[Piece]) -> str:
    """One document; the comment above each key says where what is below it goes, and why."""
    return "\n".join(_commented(piece) for piece in pieces)


def plain(document: object) -> str:
    """A whole document, with everything written out that occurs twice."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False)


def _commented(piece: Piece) -> str:
    comment = "".join(f"# {line}\n" for line in piece.comment.strip().splitlines())
    return comment + yaml.dump({piece.name: piece.content}, Dumper=_Plain, sort_keys=False, width=110)


class _Plain(yaml.SafeDumper):
    """Writes a thing that occurs twice twice: a reference would be lost when its piece is pasted elsewhere."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base's name
        return True
