"""The settings of alerts. Pure."""

from orch.settings.section import NotNegative, Positive, Secret, Section, Url


class Alerts(Section, frozen=True):
    """Alerts of Prometheus on the service's own pages. Durations in seconds.

    ``alertmanager_url``: where silences are made and the list of alerts is read, every ``poll_interval``; "":
    alerts come by notification alone. ``webhook_token``: the password with which Alertmanager sends
    notifications; "": operators alone may. ``acknowledge_for``: how long an acknowledgement holds.
    ``escalate_after``: how long a critical alert may go without one; 0: it is not escalated.
    ``escalation_url``: where an escalation is sent when Alertmanager does not accept it, in the form of its
    webhook.
    """

    alertmanager_url: Url = ""
    webhook_token: Secret = ""
    poll_interval: Positive = 15
    acknowledge_for: Positive = 3_600
    escalate_after: NotNegative = 900
    escalation_url: Url = ""
