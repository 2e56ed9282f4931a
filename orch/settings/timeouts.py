"""The time-outs of requests to back ends: the defaults of all routes, and those of one. Pure."""

from orch.settings.section import NotNegative, Positive, Section


class Timeouts(Section, frozen=True):
    """The time-outs of routes that name none of their own. Seconds; 0: none.

    ``connect``: name look-up, TCP and TLS. ``first_byte``: from the sent request to the response's head.
    ``idle``: without a byte while the request is sent or while its response arrives. ``per_try``: one
    attempt, connecting included. ``per_try_idle``: without a byte in either direction, at any time of an
    attempt. ``per_audio_second``: added to the total for each second of a WAV file in the request.
    """

    connect: Positive = 3
    first_byte: NotNegative = 0
    idle: NotNegative = 300
    per_try: NotNegative = 0
    per_try_idle: NotNegative = 0
    per_audio_second: NotNegative = 0


class RouteTimeouts(Section, frozen=True):
    """The time-outs of one route, as in :class:`Timeouts`; what is not set is as for all routes.

    ``total``: from the complete request to the end of the response, over all attempts; not set:
    ``gateway.timeout``.
    """

    total: NotNegative | None = None
    per_audio_second: NotNegative | None = None
    connect: Positive | None = None
    first_byte: NotNegative | None = None
    idle: NotNegative | None = None
    per_try: NotNegative | None = None
    per_try_idle: NotNegative | None = None
