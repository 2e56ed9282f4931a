"""The client's events and errors. Pure."""

from typing import Any, Final, Literal, Union

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from orch.protocol import meeting_messages, server_messages
from orch.protocol.messages import MessageId, ServerMessage

State = Literal["connecting", "live", "waiting", "stopped"]


class Unrecognized(Struct, frozen=True, kw_only=True):
    """A message of a type that this client does not know; ``test_message`` is returned as one, too."""

    type: str
    fields: dict[str, Any]
    id: MessageId | UnsetType = UNSET


class StateChanged(Struct, frozen=True):
    """The connection's state.

    ``retry_in``: seconds until the next attempt, if it is ``waiting``. ``attempt``: attempts since the last
    connection that lasted. ``reason``: why the last connection ended, as a sentence.
    """

    state: State
    retry_in: float | None = None
    attempt: int = 0
    reason: str = ""


class Recovered(Struct, frozen=True):
    """All missed messages of a session have been delivered; ``missed`` is their number.

    ``broadcasts_complete``: False if some broadcasts of participants are no longer stored. Captions are
    complete; if they are not, :class:`Lost` reports it.
    """

    session_id: str
    missed: int
    broadcasts_complete: bool = True


class HistoryDelivered(Struct, frozen=True):
    """The history that a join requested has been delivered. ``complete``: nothing older is missing."""

    session_id: str
    complete: bool


class Lost(Struct, frozen=True):
    """Messages of a session after ``offset`` are no longer available.

    ``reason`` is one of ``SessionRecovered``'s, a problem's code, or ``gap``. The client is no longer in the
    session; join it again to continue from now.
    """

    session_id: str
    reason: str
    offset: int | None


Message = ServerMessage | Unrecognized
Event = ServerMessage | Unrecognized | StateChanged | Recovered | HistoryDelivered | Lost


class ClientError(Exception):
    """A request was not carried out, or it is not known whether it was; ``code`` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class RefusedError(ClientError):
    """The service replied ``error``; ``code`` is one of ``orch/problems.py``."""


class ConnectionLostError(ClientError):
    """The connection was lost before the reply: whether the message was carried out is not known."""

    def __init__(self) -> None:
        super().__init__("connection_lost", "The connection was lost before the reply arrived.")


class TooManyRequestsError(ClientError):
    """The limit of waiting requests is reached."""

    def __init__(self) -> None:
        super().__init__("too_many_requests", "Too many requests are waiting for the service.")


class StoppedError(ClientError):
    """The service asked not to reconnect; ``close_code`` is its close code."""

    def __init__(self, close_code: int, detail: str) -> None:
        super().__init__("stopped", detail)
        self.close_code = close_code


class BadMessageError(Exception):
    """A frame that is not a message of the protocol."""


class _Envelope(Struct):
    type: str
    id: MessageId | UnsetType = UNSET


_MODULES: Final = (server_messages.__name__, meeting_messages.__name__)
KINDS: Final = tuple(kind for kind in ServerMessage.__subclasses__() if kind.__module__ in _MODULES)

_TYPES: Final = frozenset(str(kind.__struct_config__.tag) for kind in KINDS)
_MESSAGE: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(Union[KINDS])  # noqa: UP007 - made from a tuple
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])


def decode(text: str | bytes | Raw) -> Message:
    """Return the message in a text frame; fields added by later services are ignored.

    Raises BadMessageError.
    """
    try:
        return _MESSAGE.decode(text)
    except msgspec.ValidationError as error:
        try:
            envelope = _ENVELOPE.decode(text)
            if envelope.type not in _TYPES:
                return Unrecognized(type=envelope.type, id=envelope.id, fields=_FIELDS.decode(text))
        except (msgspec.MsgspecError, RecursionError):
            pass  # the first error is more precise
        raise BadMessageError(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadMessageError(str(error)) from error
