"""Whether what a client missed can be replayed to it. Pure."""

from typing import Literal

Refusal = Literal[
    "unknown_session",
    "token_required",
    "wrong_token",
    "epoch_changed",
    "history_expired",
    "offset_unknown",
    "recovery_disabled",
]


def refusal(*, epoch: str, last: int, asked_epoch: str | None, asked_offset: int | None) -> Refusal | None:
    """Return why what was missed after ``asked_offset`` cannot be told, or None.

    ``last`` is the newest offset that anyone has been sent. An offset from the future was never given by this
    epoch: its owner and the session do not agree about the past.
    """
    if asked_epoch != epoch:
        return "epoch_changed"
    if asked_offset is None or asked_offset > last:
        return "offset_unknown"
    return None
