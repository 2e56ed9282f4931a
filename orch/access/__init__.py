"""Access control: one table of actions and one pure decision, used for HTTP, handshakes and messages.

`actions.py` has a row for each route, message and topic; `permissions.py` decides who may do what;
`actors.py` identifies the sender of a request; `service.py` signs operators in and out. Rates per client and
address: `rate_limits.py`.
"""
