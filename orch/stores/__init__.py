"""Persistent data: sessions, their history, sign-ins, shared settings.

`opening.py` opens the engine that the settings name and says what it offers (`Stores`). `protocols.py` has
what each part of it promises, and the handler of its events. `sqlite/` is one file for one process, `redis/`
a server for several. `records.py` and `history.py` say what is stored of a session.
"""
