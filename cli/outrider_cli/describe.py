"""What the commands say about plugins and files, in words."""

import inspect
from collections.abc import Iterator, Mapping

from outrider.config import Configuration
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


def warnings(configuration: Configuration) -> Iterator[str]:
    """What is allowed and still worth a word, one line each."""
    for one in configuration.plugins:
        if one.plugin.on_error == "continue" and _can_refuse(one.plugin):
            file = configuration.document.file
            yield (
                f"{file}:{one.line}: plugin {one.name}: warning: on_error is continue, "
                "so a request that it would refuse gets through when it fails: set it to deny"
            )


def _can_refuse(plugin: Plugin) -> bool:
    """Whether a hook may reply to a request; one that says `-> None` can't."""
    hooks = {"on_request", "on_request_body"} & plugin.hooks()
    return any(inspect.signature(getattr(plugin, hook)).return_annotation not in (None, "None") for hook in hooks)


def _summary(cls: type[Plugin]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
