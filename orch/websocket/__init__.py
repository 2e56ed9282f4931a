"""The hub: connections, sessions, participants, and the history that late ones are sent.

`service.py` builds it, `handlers.py` has one method for each message a client sends. `connections/` is one
client and its outbox, `sessions/` what they join, `cluster/` what is exchanged with other workers.
"""
