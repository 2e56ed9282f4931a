"""Past messages of a session, sent to a client in parts, and whether a client can recover them.

`parts` and `recovery` decide; `sender` sends the parts as fast as the client reads them.
"""
