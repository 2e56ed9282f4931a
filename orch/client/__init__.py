"""A client of the service for Trio programs: ``async with orch.client.connect(url) as client:``."""

from orch.client.client import Client, connect
from orch.client.events import (
    BadMessageError,
    ClientError,
    ConnectionLostError,
    Event,
    HistoryDelivered,
    Lost,
    Recovered,
    RefusedError,
    StateChanged,
    StoppedError,
    TooManyRequestsError,
    Unrecognized,
)
from orch.client.reconnect_policy import Backoff
from orch.client.session_requests import FoundLine, OpenedCode, SearchResult, SessionDetails
from orch.client.speech import SpeechStream

__all__ = [
    "Backoff",
    "BadMessageError",
    "Client",
    "ClientError",
    "ConnectionLostError",
    "Event",
    "FoundLine",
    "HistoryDelivered",
    "Lost",
    "OpenedCode",
    "Recovered",
    "RefusedError",
    "SearchResult",
    "SessionDetails",
    "SpeechStream",
    "StateChanged",
    "StoppedError",
    "TooManyRequestsError",
    "Unrecognized",
    "connect",
]
