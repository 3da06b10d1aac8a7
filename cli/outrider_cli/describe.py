"""What the commands say about plugins, in words."""

from collections.abc import Mapping

from outrider.needs import HOOKS
from outrider.plugin import Plugin
from outrider_cli.field_list import field_list


def overview(installed: Mapping[str, type[Plugin]]) -> str:
    """One line for each plugin, the one that runs first at the top."""
    ordered = sorted(installed.items(), key=lambda item: (-item[1].priority, item[0]))
    return "\n".join(f"{cls.priority:>7}  {name:20} {_summary(cls)}" for name, cls in ordered)


def plugin(name: str, cls: type[Plugin]) -> str:
    """A plugin's purpose, phases, priority and fields."""
    phases = ", ".join(hook for hook in HOOKS if hook in cls.overridden())
    head = [f"{name}: {_summary(cls)}", f"priority {cls.priority}; phases {phases}", ""]
    return "\n".join([*head, *field_list(cls)])


def _summary(cls: type[Plugin]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
