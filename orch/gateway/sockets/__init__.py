"""WebSockets of clients to back ends.

``handshake``, ``frames``, ``messages`` and ``heartbeat`` decide; ``clients`` are the two ways in which a
client's side is reached, ``leg`` is one side of a socket, ``relay`` passes frames on, ``open_sockets`` are
those that are open, ``departure`` and ``proxy`` (the ASGI application) see to handshakes.
"""
