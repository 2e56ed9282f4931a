"""Who may do what: one table, one pure decision, asked at three doors (HTTP, handshake, message).

`table.py` has a row for each route, message and topic; `actors.py` says who sends a request; `service.py`
signs operators in and out. Rates per client and address: `rate_limits.py`.
"""
