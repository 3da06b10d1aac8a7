"""What the plugins of a file have against the rest of it."""

from collections.abc import Iterable, Iterator

from outrider.config.mistake import Mistake
from outrider.config.precedence import ScopedPlugin
from outrider.consumer import Consumers
from outrider.errors import OutriderError


def unfit(file: str, plugins: Iterable[ScopedPlugin], consumers: Consumers) -> Iterator[Mistake]:
    """One mistake for each plugin that refuses its configuration or its consumers, or that fails when it is asked.

    What thousands of places of one plugin have against the consumers is told once, at the first of them.
    """
    told: set[tuple[str, str]] = set()
    for one in plugins:
        words = _objection(one, consumers)
        if words and (one.name, words) not in told:
            told.add((one.name, words))
            what, _, remedy = words.partition(": ")
            yield Mistake(file, one.line, f"plugin {one.name}", what, remedy or "mend its configuration")


def _objection(one: ScopedPlugin, consumers: Consumers) -> str | None:
    try:
        one.plugin.check(consumers)
        one.plugin.hooks()
    except (ValueError, OutriderError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything: the file is refused
        return f"failed with {type(error).__name__} ({error}): mend the plugin, check() may raise only ValueError"
    return None
