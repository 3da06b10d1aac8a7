"""Where the plugin server and Kong meet."""

import click

DEFAULT = "unix:/usr/local/kong/outrider.sock"


def checked(listen: str) -> str:
    """The value of `--listen` as it was given. Raises `BadParameter` for what Kong can't connect to."""
    path = listen.removeprefix("unix:")
    if path == listen or not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise click.BadParameter(
            f"{listen!r} is nothing that Kong connects to: write unix:/PATH, the whole path of a socket"
        )
    return listen
