"""The authorities that a machine believes."""

import os
from pathlib import Path

_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_authorities() -> Path | None:
    """Their file: $SSL_CERT_FILE, or where systems have it; None if there is none."""
    named = os.environ.get("SSL_CERT_FILE")
    return next((Path(path) for path in ([named] if named else _FILES) if Path(path).is_file()), None)
