"""What the service reports about itself: metrics, events, topics, logs.

A metric is a name in `metric_names.py` and a line in its part's `readings()`.
"""
