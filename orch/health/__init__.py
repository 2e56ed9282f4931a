"""Checks the back ends and restarts those that are down.

`verdict.py` and `recovery.py` decide; `checker.py` and `probes.py` check, `kept_process.py` and
`restart_command.py` restart.
"""
