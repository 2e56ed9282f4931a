"""One WebSocket: the pure codec and its limits, and the connection that drives it.

``handshake`` and ``deflate`` negotiate, ``frame_decoder`` reads and ``frames`` writes; ``small_frames`` and
``partial_messages`` bound what a client may send; ``connection`` is the ASGI side and the ``orch.link``.
"""
