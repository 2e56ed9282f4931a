"""Sessions in one SQLite file: one process, nothing else to install."""
