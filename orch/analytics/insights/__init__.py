"""What an engineer would say about anomalies: the likely cause, the evidence for it, and the next step.

`happenings.py` reads the log of events, `graph.py` knows what depends on what, `causes.py` ranks what may
have caused a group of anomalies, `steps.py` is the table of causes, `conclusions.py` writes the insights and
decides which are shown, `wording.py` checks another wording of them; all are pure. `writer.py` requests one.
"""
