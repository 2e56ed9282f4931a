"""Decides whether a client's missed messages can be sent. Pure."""

from typing import Final, Literal, get_args

Refusal = Literal[
    "unknown_session",
    "token_required",
    "wrong_token",
    "epoch_changed",
    "history_expired",
    "offset_unknown",
    "recovery_disabled",
    "removed",
    "ended",
]

REFUSALS: Final[tuple[Refusal, ...]] = get_args(Refusal)


def refusal(*, epoch: str, last: int, asked_epoch: str | None, asked_offset: int | None) -> Refusal | None:
    """Return why the messages after ``asked_offset`` cannot be recovered, or None.

    ``last`` is the newest offset sent to anyone. A higher offset was never assigned in this epoch: the
    client's history differs from the session's.
    """
    if asked_epoch != epoch:
        return "epoch_changed"
    if asked_offset is None or asked_offset > last:
        return "offset_unknown"
    return None
