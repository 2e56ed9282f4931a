"""The hub: connections, sessions and their history."""
