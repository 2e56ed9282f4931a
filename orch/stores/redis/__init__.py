"""Sessions in Redis: shared by several workers and machines."""
