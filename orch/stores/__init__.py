"""What outlives the process: sessions, their history, sign-ins, shared settings.

`records.py` has the protocols; `sqlite/` is one file for one process, `redis/` a server for several.
`history.py` decides what of a session is stored.
"""
