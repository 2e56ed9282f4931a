"""Incidents and uptime of the back ends, and announcements.

`courses.py` follows the states, `rules.py` opens, updates and closes incidents, `uptime.py` adds time up, and
`public.py` has what guests may read; all are pure. `service.py` carries out, `ledger.py` stores.
"""
