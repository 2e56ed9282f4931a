"""Several worker processes: `rolling.py` decides when they start, stop and are replaced, `parent.py` acts."""
