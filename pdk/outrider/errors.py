"""Every error that Outrider raises.

OutriderError
├── ConfigError          the file is wrong; carries one `Mistake` for each thing to mend (outrider.config)
├── StartError           a plugin could not start (a port, a file, a service that it needs)
├── PluginError          a plugin class breaks the contract; raised when the class is made
└── ContractError        a plugin did at run time what the contract forbids; its request is refused
    ├── HeaderError      a header name or value that can't be sent, or that the gateway owns
    ├── ReplyError       an answer that no gateway could send, or a hook that returned something else
    ├── OverdueError     an async hook that took longer than it may; its request is refused with 503
    ├── UndeclaredError  a fact or a reply header that the plugin's `needs()` leaves out
    ├── TooLateError     a change to headers that have been sent
    └── AbortError       raised by a plugin's chunk hook to end the stream: no fault, but a decision
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outrider.response import Refusal


class OutriderError(Exception):
    """The base of all errors of Outrider."""


class StartError(OutriderError):
    """A plugin could not start; the message says what it lacks."""


class PluginError(OutriderError, TypeError):
    """A plugin class breaks the contract."""


class ContractError(OutriderError):
    """A plugin did what the contract forbids; raised where it did it, so that its log line has file and line."""


class HeaderError(ContractError, ValueError):
    """A header name or value that can't be sent, or that belongs to the gateway."""


class ReplyError(ContractError, ValueError):
    """An answer that no gateway could send, or a hook that returned something else than an answer."""


class OverdueError(ContractError):
    """An async hook took longer than it may."""


class UndeclaredError(ContractError, AttributeError):
    """An access that the plugin's `needs()` does not declare."""


class TooLateError(ContractError):
    """A change to headers that have been sent."""


class AbortError(ContractError):
    """Raised in a chunk hook: not one byte more passes.

    Downstream gets `refusal` if the response has not begun; else its connection, or its HTTP/2 stream, is cut.
    """

    def __init__(self, refusal: "Refusal") -> None:
        super().__init__("AbortError is for chunk hooks: return the refusal in its place")
        self.refusal = refusal
