"""Coordination between workers: surveys, leases for what only one worker may do, shared settings."""
