"""Access control: one table of actions and one pure decision, used for HTTP, handshakes and messages.

`actions.py` has a row for each route, message and topic; `permissions.py` decides who may do what;
`actors.py` identifies the sender of a request; `service.py` signs operators in and out. Limits:
`rate_limits.py` of a client, `address_limits.py` of an address.
"""
