"""Reading and validating the configuration file."""

from outrider.config.configuration import Configuration
from outrider.config.document import Document, read
from outrider.config.gateway import Gateway, Log
from outrider.config.load import build, load
from outrider.config.mistake import ConfigError, Mistake
from outrider.config.precedence import Candidates, ScopedPlugin
from outrider.config.routes import Route
from outrider.config.schema import schema
from outrider.config.services import Service
from outrider.config.upstreams import Target, Upstream

__all__ = [
    "Candidates",
    "ConfigError",
    "Configuration",
    "Document",
    "Gateway",
    "Log",
    "Mistake",
    "Route",
    "ScopedPlugin",
    "Service",
    "Target",
    "Upstream",
    "build",
    "load",
    "read",
    "schema",
]
