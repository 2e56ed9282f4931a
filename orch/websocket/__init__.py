"""The hub: WebSocket connections, sessions, participants, and history.

`service.py` builds it, `handlers.py` has one method for each message a client sends. `connections/` is one
client and its outbox, `sessions/` what they join, `cluster/` what is exchanged with other workers.
"""
