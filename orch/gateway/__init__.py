"""Sends clients' requests to the back ends, around those that fail.

`routes.py`, `balancer.py`, `breaker.py` and `retries.py` decide; `proxy.py` streams a request through,
`fetch` in `service.py` sends the service's own.
"""
