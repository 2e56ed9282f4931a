"""The branches of the nursery tree: starts, monitors and restarts them by their restart policy."""
