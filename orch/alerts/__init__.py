"""Alerts of Prometheus on the service's own pages: received, acknowledged, escalated.

Alertmanager posts what fires and what is over; the service also reads its list, so that a lost notification
is made up for. :mod:`orch.alerts.rules` decides, :mod:`orch.alerts.service` carries out.
"""
