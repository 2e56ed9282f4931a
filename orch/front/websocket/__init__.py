"""One WebSocket: the pure codec and its limits, and the connection that drives it.

``handshake`` and ``deflate`` negotiate, ``frame_decoder`` reads and ``frames`` writes; ``small_frames`` and
``partial_messages`` bound what a client may send; ``frame_sender`` is the ``orch.link`` of other tasks,
``connection`` the ASGI side, ``tunnel`` that of a proxy.
"""
