"""The client of the library ``websockets``, without time limits of its own."""

from functools import partial

from websockets.trio.client import connect as _connect

#: Connects as ``websockets`` does, which gives up a connection that takes 10 s to open, or 20 s to answer a
#: ping. A busy machine may need longer; what hangs is ended by the test's limit.
#: With a limit of the queue it would not end if a test leaves messages unread (see orch.websocket_closing).
connect = partial(_connect, open_timeout=None, ping_interval=None, close_timeout=2, max_queue=None)
