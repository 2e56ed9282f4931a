"""Forwards requests to the back ends, and avoids those that fail.

`routes.py`, `balancer.py`, `breaker.py` and `retries.py` decide; `proxy.py` forwards a client's request,
`fetch` in `service.py` sends the service's own, `recorder.py` counts both.
"""
