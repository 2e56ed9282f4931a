"""Extra requests to a second instance while the first one is slow (hedging, backup requests).

``race.py`` decides, ``first_bytes.py`` and ``route_hedges.py`` know when and how many, ``rivals.py`` chooses
the other instance, ``racing.py`` sends.
"""
