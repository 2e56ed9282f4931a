"""Metrics, logs, and events for operators."""
