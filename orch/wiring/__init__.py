"""How the parts are built and connected: topics, metrics, surveys of workers, details for the Tree page.

Each part offers `statistics()` and `readings()`; here they meet the pages, Prometheus and the other workers.
"""
