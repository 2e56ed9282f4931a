"""The settings of clients' WebSockets to back ends. Pure."""

from orch.settings.section import Count, NotNegative, Positive, Section


class Sockets(Section, frozen=True):
    """The limits of clients' WebSockets to back ends. Durations in seconds.

    ``max_connections``: on a worker, in all; ``…_per_address``: of one address. ``max_message_bytes``: of one
    message, either way. ``heartbeat_interval``: how often both sides are pinged, 0: never;
    ``heartbeat_timeout``: how long each has to send anything after that.
    """

    max_connections: Count = 512
    max_connections_per_address: Count = 64
    max_message_bytes: Count = 134_217_728
    heartbeat_interval: NotNegative = 25
    heartbeat_timeout: Positive = 8
