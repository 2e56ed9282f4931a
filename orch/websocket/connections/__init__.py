"""One client: its connection to the socket, its outbox, and the messages it sends.

Start at `connection`; `asgi_connection` and `socket_connection` are its two ways to send. `connection_query`
selects the connections that operators are shown.
"""
