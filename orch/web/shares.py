"""How many of something there may be at a time: in total, of one session, and of one address. Pure."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from orch.problems import ProblemError


class Holder(Protocol):
    """What is counted."""

    @property
    def session_id(self) -> str:
        """Its session."""

    @property
    def address(self) -> str:
        """The address it came from."""


class Shares(Struct, frozen=True, kw_only=True):
    """The limits, and how they are named: "4 ``things`` ``state``, which is the limit. ``later``"."""

    total: int
    of_session: int
    of_address: int
    problem: str
    things: str
    state: str
    later: str

    def check(self, held: Sequence[Holder], new: Holder) -> None:
        """Raise ``problem`` if ``new`` is one too many beside those that are held."""
        here = sum(each.session_id == new.session_id for each in held)
        mine = sum(each.address == new.address for each in held)
        for count, limit, whose in (
            (len(held), self.total, ""),
            (here, self.of_session, " of this session"),
            (mine, self.of_address, " from your address"),
        ):
            if count >= limit:
                raise ProblemError(
                    self.problem,
                    f"{limit} {self.things}{whose} {self.state}, which is the limit. {self.later}",
                )
