"""What the service reports about itself: metrics, events, topics, logs.

A metric is a name in a module of `names` and a line in its part's `readings()`.
"""
