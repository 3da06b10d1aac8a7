"""What of a file's certificates Envoy can't show as the file says."""

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import load_pem_x509_certificate

from outrider.config import Configuration, Mistake
from outrider.config.certificates import Certificate, Pem
from outrider.needs import PEER

_SMALLEST = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def unshown(configuration: Configuration) -> Iterator[Mistake]:
    """One mistake for each thing of a certificate that Envoy would refuse the whole configuration for."""
    for one in configuration.certificates:
        for what, remedy in _of(one):
            yield Mistake(configuration.document.file, one.line, f"certificate {one.id}", what, remedy)


def _of(certificate: Certificate) -> Iterator[tuple[str, str]]:
    for cert, _ in certificate.pairs:
        if (kind := _refused_key(cert)) is not None:
            yield f"has {kind}, which Envoy does not take", "use RSA with 2048 bits or more, or ECDSA with P-256"
    for name in certificate.snis:
        if name.endswith(".*"):
            what = f"has the server name {name}, and Envoy knows wildcards only for the first label"
            yield what, "write the names themselves"


def _refused_key(cert: Pem) -> str | None:
    key = load_pem_x509_certificate(cert.text.encode()).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"an RSA key of {key.key_size} bits" if key.key_size < _SMALLEST else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in _CURVES else f"an ECDSA key on the curve {key.curve.name}"
    return "a key that is neither RSA nor ECDSA"


def unasked_clients(configuration: Configuration) -> Iterator[Mistake]:
    """The plugins that look at the certificates of clients, where no client is asked for one."""
    tls = configuration.tls
    if tls is not None and tls.client_certificates != "none":
        return
    for one in configuration.plugins:
        if PEER in one.plugin.needs().facts:
            yield Mistake(
                configuration.document.file,
                one.line,
                f"plugin {one.name}",
                "looks at the certificates of clients, and this gateway asks nobody for one",
                "set gateway.tls with client_certificates and client_authorities",
            )
