"""The two flows of requests to a back end, which share no connection, no queue and no breaker. Pure.

*Captions* are the service's own requests: speech to an audio-service, text to a translation-service.
*Requests* are what clients send through the gateway's routes and in ``service_message``. Whatever clients do
to their share (uploads that never end, input on which a back end fails), captions are not affected.
"""

from enum import StrEnum


class Flow(StrEnum):
    """Whose share of an instance a request uses."""

    CAPTIONS = "captions"
    REQUESTS = "requests"
