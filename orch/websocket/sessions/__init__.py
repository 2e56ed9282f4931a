"""Sessions in memory and in the store: created, joined, left, recovered, expired.

Start at `sessions`. `session` is one of them, `session_access` decides who may use it, `expiry` and
`quota_enforcement` end those that nobody uses.
"""
