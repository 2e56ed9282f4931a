"""Who asks, without a store: sign-ins are kept in a dict."""

from typing import Any

from orch.access.service import Access
from orch.access.sign_ins import SignIns
from orch.cluster.survey import Survey
from orch.problems import ProblemError


class FakeSignInStore:
    """Keeps sign-ins by name until when. ``is_away``: it answers nothing."""

    def __init__(self) -> None:
        self.kept: dict[str, float] = {}
        self.is_away = False

    def _require(self) -> None:
        if self.is_away:
            raise ProblemError("store_unavailable", "The store is away.")

    async def store_sign_in(self, name: str, *, now: float, seconds: float) -> None:
        """Keep one."""
        self._require()
        self.kept[name] = now + seconds

    async def extend_sign_in(self, name: str, *, now: float, seconds: float) -> bool:
        """Keep one for longer."""
        self._require()
        if self.kept.get(name, now) <= now:
            return False
        self.kept[name] = now + seconds
        return True

    async def delete_sign_in(self, name: str) -> None:
        """End one."""
        self._require()
        self.kept.pop(name, None)


def access_over(settings: Any, *, store: FakeSignInStore | None = None, wall: Any = lambda: 0.0) -> Access:
    """Return what decides who asks."""
    sign_ins = SignIns(store=store or FakeSignInStore(), survey=Survey(), wall=wall)
    return Access(settings=settings, sign_ins=sign_ins)
