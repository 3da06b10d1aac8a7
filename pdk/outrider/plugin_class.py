"""The rules that a plugin class keeps, checked when it is made."""

import difflib
import inspect
from typing import Any, ClassVar, get_origin

from outrider.errors import PluginError
from outrider.needs import HOOKS


def check_class(cls: type[Any], base: type[Any], *, abstract: bool) -> None:
    """Raises `PluginError` for a class below `base` that would not do what its author thinks."""
    name = cls.__qualname__
    _check_hooks(cls, name)
    _check_fields(cls, name)
    if type(cls.priority) is not int:
        raise PluginError(f"{name}.priority is {cls.priority!r}: give a whole number")
    if inspect.iscoroutinefunction(cls.on_log):
        raise PluginError(f"{name}.on_log must be a plain def: when it runs nobody waits any more")
    if not abstract:
        _check_complete(cls, base, name)


def _check_hooks(cls: type[Any], name: str) -> None:
    for attribute, member in vars(cls).items():
        if attribute.startswith("on_") and callable(member) and attribute not in HOOKS:
            near = difflib.get_close_matches(attribute, HOOKS, 1)
            hint = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(HOOKS)}"
            raise PluginError(f"{name}.{attribute} is no hook: {hint}")


def _check_fields(cls: type[Any], name: str) -> None:
    for field, annotation in inspect.get_annotations(cls).items():
        if _is_class_variable(annotation):
            continue
        if field == "priority":
            raise PluginError(f"{name}.priority is a field: write priority: ClassVar[int] = ...")
        if any(callable(getattr(parent, field, None)) for parent in cls.__mro__[1:]):
            raise PluginError(f"{name}.{field} is a field with a hook's or method's name: give it another name")


def _is_class_variable(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.removeprefix("typing.").startswith("ClassVar")
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _check_complete(cls: type[Any], base: type[Any], name: str) -> None:
    if missing := [one for one in dir(cls) if getattr(getattr(cls, one), "__isabstractmethod__", False)]:
        raise PluginError(f"{name} lacks {', '.join(missing)}: define it, or make the class with abstract=True")
    if all(getattr(cls, hook) is getattr(base, hook) for hook in HOOKS):
        raise PluginError(f"{name} has no hook: override one of {', '.join(HOOKS)}")
