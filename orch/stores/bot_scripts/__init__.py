"""What is done with stored bot sessions, as scripts of statements that every engine runs. Pure.

A script is a generator: it yields a request, is sent the rows, and returns the result. It decides; the engine
(:mod:`orch.stores.sqlite.bots`, :mod:`orch.stores.postgres.bots`) runs it in one transaction. So there is one
text of each statement, written for PostgreSQL, of which :func:`orch.stores.bot_scripts.requests.for_sqlite`
derives the other.
"""
