"""Metrics of the settings: which are in use, and whether changes of the file were applied. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

CONFIG_INFO: Final = Name(
    "orch_config_info",
    "gauge",
    "The settings in use: a hash of them without secrets, equal on workers with equal settings.",
    (Label("hash", bound="one at a time"),),
)
CONFIG_RELOADS: Final = Name(
    "orch_config_reloads_total",
    "counter",
    "Changed settings that were applied, or refused because they are invalid.",
    (Label("outcome", ("applied", "refused")),),
)
CONFIG_RELOAD_OK: Final = Name(
    "orch_config_last_reload_successful",
    "gauge",
    "1 if the settings file was valid when it was last read, else 0: then the former settings apply.",
)
CONFIG_RELOADED_AT: Final = Name(
    "orch_config_last_reload_success_timestamp_seconds", "gauge", "When settings were last applied."
)
CONFIG_PENDING: Final = Name(
    "orch_config_restart_pending", "gauge", "Changed settings that apply only after a restart."
)
