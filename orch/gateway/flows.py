"""The two flows of requests to a back end, which share no connection, no queue and no breaker. Pure.

*Captions* are the service's own: speech to an audio-service, text to a translation-service. *Requests* are
what clients send through the gateway's routes and ``service_message``. Whatever clients do to the share of
requests (uploads that never end, inputs that a back end fails on), captions do not notice.
"""

from enum import StrEnum


class Flow(StrEnum):
    """Whose share of an instance a request takes."""

    CAPTIONS = "captions"
    REQUESTS = "requests"
