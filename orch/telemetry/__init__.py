"""Metrics, logs and the events an operator is shown."""
