"""When operators are reminded that a certificate expires. Pure."""

from typing import Final

DAY: Final = 86_400.0

MARKS: Final = (7.0, 3.0, 1.0)
"""Days before the end at which they are reminded again."""


def days_left(until: float, at: float) -> float:
    """Return the days until ``until``, at ``at`` (both epoch seconds); negative: it has expired."""
    return (until - at) / DAY


def mark_passed(days: float, threshold: float) -> float | None:
    """Return the lowest mark that ``days`` has passed: ``threshold`` or one of :data:`MARKS`; None: none."""
    if not threshold:
        return None
    marks = (threshold, *(mark for mark in MARKS if mark < threshold))
    return min((mark for mark in marks if days <= mark), default=None)


def reminder(days: float) -> str:
    """Return the sentence for operators, without its subject."""
    if days < 1:
        return f"has a certificate that expires in {max(0, round(days * 24))} h. Renew it there."
    return f"has a certificate that expires in {days:.0f} days. Renew it there."
