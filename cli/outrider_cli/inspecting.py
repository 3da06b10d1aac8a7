"""`outrider check FILE --envoy ADMIN`: whether a running Envoy and the file of its workers fit together."""

from outrider.errors import OutriderError
from outrider_cli import envoy_admin
from outrider_cli.loading import Source
from outrider_envoy.inspection import inspect


def warnings(source: Source, address: str) -> list[str]:
    """A line for each warning. Raises `OutriderError` with the mistakes, if there are any, and the warnings.

    Raises `StartError` if no Envoy answers there.
    """
    # Where its workers are, the Envoy says.
    plan = source.load().plan(())
    dump = envoy_admin.config_dump(address)
    try:
        found = inspect(dump, plan)
    except OutriderError as error:
        raise OutriderError(f"{address}: {error}") from None
    lines = [_printable(f"{address}: {one}") for one in found]
    if any(one.word.mistake for one in found):
        raise OutriderError("\n".join(lines))
    return lines


def _printable(line: str) -> str:
    """One line, whatever names an Envoy has."""
    return "".join(character if character.isprintable() else "?" for character in line)
