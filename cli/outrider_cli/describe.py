"""What the commands say about plugins and files, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from outrider.config import Configuration
from outrider.needs import HOOKS
from outrider.plugin import Plugin


def overview(installed: Mapping[str, type[Plugin]]) -> str:
    """One line for each plugin, the one that runs first at the top."""
    ordered = sorted(installed.items(), key=lambda item: (-item[1].priority, item[0]))
    return "\n".join(f"{cls.priority:>7}  {name:20} {_summary(cls)}" for name, cls in ordered)


def plugin(name: str, cls: type[Plugin]) -> str:
    """A plugin's purpose, phases, priority and fields."""
    phases = ", ".join(hook for hook in HOOKS if hook in cls.overridden())
    schema = TypeAdapter(cls).json_schema()
    head = [f"{name}: {_summary(cls)}", f"priority {cls.priority}; phases {phases}", ""]
    required = schema.get("required", [])
    return "\n".join([*head, *(_field(key, field, key in required) for key, field in schema["properties"].items())])


def warnings(configuration: Configuration) -> Iterator[str]:
    """What is allowed and still worth a word, one line each."""
    for one in configuration.plugins:
        if one.plugin.on_error == "continue" and "on_request" in one.plugin.hooks():
            file = configuration.document.file
            yield (
                f"{file}:{one.line}: plugin {one.name}: warning: on_error is continue, "
                "so a request that it would refuse gets through when it fails: set it to deny"
            )


def _summary(cls: type[Plugin]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _field(name: str, field: Mapping[str, Any], required: bool) -> str:  # noqa: FBT001 - one caller, right above
    value = "required" if required else f"default {field.get('default')}"
    return f"  {name} ({value}): {field.get('description', '')}"
