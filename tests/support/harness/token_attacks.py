"""Every attack on tokens that is written down, by theme; docs/token-attacks.md is the same list."""

from collections.abc import Mapping, Sequence

from harness import attacks_on_claims, attacks_on_forms, attacks_on_keys, attacks_on_signatures, attacks_on_texts
from harness.attack import Attack

THEMES: Mapping[str, Sequence[Attack]] = {
    "Signatures": attacks_on_signatures.ATTACKS,
    "Keys": attacks_on_keys.ATTACKS,
    "Claims and times": attacks_on_claims.ATTACKS,
    "JSON and extensions": attacks_on_texts.ATTACKS,
    "Forms and places": attacks_on_forms.ATTACKS,
}
ATTACKS = [attack for attacks in THEMES.values() for attack in attacks]


def page() -> str:
    """The tables of docs/token-attacks.md."""
    return "\n".join(f"\n## {theme}\n\n{_table(attacks)}" for theme, attacks in THEMES.items())


def _table(attacks: Sequence[Attack]) -> str:
    rows = [f"| {attack.name} | {attack.known} | {attack.stopped_by} |" for attack in attacks]
    return "\n".join(["| attack | known from | what stops it |", "|---|---|---|", *rows])
