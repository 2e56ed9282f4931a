"""Figures over time, for the Overview page: sampled at an interval, stored for a quarter of an hour."""
