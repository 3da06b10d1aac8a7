"""Reading and validating the configuration file."""

from outrider.config.configuration import Configuration, Route, Service
from outrider.config.document import Document, read
from outrider.config.gateway import Gateway, Log
from outrider.config.load import build, load
from outrider.config.mistake import ConfigError, Mistake
from outrider.config.precedence import Candidates, ScopedPlugin
from outrider.config.schema import schema

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
    "build",
    "load",
    "read",
    "schema",
]
