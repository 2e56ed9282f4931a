"""The wire, nobody's own: messages, close codes, identifiers, keys. Clients, stores and the hub share it."""
