"""Several processes: `rolling.py` decides when workers start, stop and are replaced, `parent.py` does it."""
