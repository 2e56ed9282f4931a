"""The other workers that share the sessions: messages and participants exchanged with them.

`cluster_link` sends and receives; `presence_sync` keeps the participants of other workers up to date.
"""
