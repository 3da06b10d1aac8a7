"""What can go wrong between Envoy and a plugin worker."""

from outrider.errors import OutriderError


class ProtocolError(OutriderError):
    """A message that makes no sense where it stands; the request that it belongs to is refused."""
