"""The limits and rules of one bot: those of its request, and of the settings for the rest. Pure."""

import re

from orch.bots.leave_rules import BOT_NAMES, LeaveRules
from orch.bots.lifecycle import Limits
from orch.bots.requests import Rules
from orch.settings.bots import BotLeaving, BotLimits


def limits_of(rules: Rules, defaults: BotLimits) -> Limits:
    """Return how long a bot may wait in each state."""
    return Limits(
        start=defaults.start,
        join=defaults.join,
        lobby=_of(rules.lobby, defaults.lobby),
        not_recording=_of(rules.not_recording, defaults.not_recording),
        recovery=defaults.recovery,
        longest=_of(rules.longest, defaults.longest),
    )


def leave_rules_of(rules: Rules, defaults: BotLeaving) -> LeaveRules:
    """Return when a bot leaves by itself. Names of bots are parts of display names, in any case."""
    names = defaults.bot_names if rules.bot_names is None else rules.bot_names
    is_default = rules.bot_names is None and not defaults.bot_names
    return LeaveRules(
        nobody_came=_of(rules.nobody_came, defaults.nobody_came),
        everyone_left=_of(rules.everyone_left, defaults.everyone_left),
        only_bots=_of(rules.only_bots, defaults.only_bots),
        silence=_of(rules.silence, defaults.silence),
        silence_after=_of(rules.silence_after, defaults.silence_after),
        recording_refused=_of(rules.recording_refused, defaults.recording_refused),
        bot_names=BOT_NAMES if is_default else tuple(re.escape(name) for name in names if name),
    )


def _of(asked: float | None, default: float) -> float:
    return default if asked is None else asked
