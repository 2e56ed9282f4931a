"""What is unusual in a series of figures: what is usual, how far a sample may be from it, and why.

`usual.py` learns the course of a series over the day and the week, `measures.py` compares samples with it,
`limits.py` finds how far each measure goes by itself, `detector.py` opens and closes anomalies, `reasons.py`
puts them into words; `changes.py` finds change points and `groups.py` what moved together. All are pure.
"""
