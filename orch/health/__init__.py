"""Checks the back ends and restarts those that have failed.

`verdict.py` and `recovery.py` decide; `probes.py` asks, `restarting.py` acts.
"""
