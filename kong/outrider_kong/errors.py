"""What Kong or somebody in its place does wrong."""


class ProtocolError(Exception):
    """A message that makes no sense here; the text is for our log."""
