"""Operators' controls: commands (`commands.py`), and what lasts of them on all workers (`shared.py`)."""
