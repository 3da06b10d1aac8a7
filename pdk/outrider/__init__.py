"""Extend the API gateway you already run with small typed Python classes."""

from outrider.auth import Auth
from outrider.consumer import Consumer, Consumers, Credential, Identity
from outrider.errors import AbortError, OutriderError, StartError
from outrider.fields import CaCertificates, ConsumerName, FilePath, HeaderName
from outrider.headers import Headers
from outrider.log_record import LogRecord
from outrider.needs import Needs
from outrider.peer import Peer
from outrider.plugin import BodyReply, Plugin, Reply
from outrider.received import Route
from outrider.request import Request
from outrider.response import Refusal, Response
from outrider.runtime import Runtime

__all__ = [
    "AbortError",
    "Auth",
    "BodyReply",
    "CaCertificates",
    "Consumer",
    "ConsumerName",
    "Consumers",
    "Credential",
    "FilePath",
    "HeaderName",
    "Headers",
    "Identity",
    "LogRecord",
    "Needs",
    "OutriderError",
    "Peer",
    "Plugin",
    "Refusal",
    "Reply",
    "Request",
    "Response",
    "Route",
    "Runtime",
    "StartError",
]
