"""One WebSocket: the pure codec (frames, handshake, deflate, limits), and the connection that drives it."""
