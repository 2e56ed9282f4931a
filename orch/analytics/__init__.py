"""Figures over time, for charts."""
