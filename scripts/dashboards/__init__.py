"""The Grafana dashboards, built with Grafana's Foundation SDK and committed as JSON.

``python -m scripts.dashboards`` writes ``monitoring/grafana/dashboards/``. One module a dashboard; what they
share (panels, selectors, colours) is in ``panels.py``, ``frame.py`` and ``queries.py``.
"""
