"""Accepts connections and hands them to the ASGI application.

Entered by ``servers.create_server``. ``server`` accepts, ``link`` and ``tls_link`` are a connection's socket,
``context`` is shared by all connections; ``http1/`` and ``websocket/`` are the protocols, each with its pure
parsers; ``hypercorn/`` is the other server that can be chosen.
"""
