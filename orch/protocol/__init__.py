"""The wire: messages, close codes, identifiers, session keys.

It belongs to no area: clients, stores and the hub share it. `docs/protocol.md` describes it.
"""
