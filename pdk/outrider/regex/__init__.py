"""Regular expressions of routes, as far as Kong's router (Rust's regex), Envoy's RE2 and we read them alike."""

from outrider.regex.checked import Regex, header_regex, path_regex
from outrider.regex.nodes import RegexError

__all__ = ["Regex", "RegexError", "header_regex", "path_regex"]
