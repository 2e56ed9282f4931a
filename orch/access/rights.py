"""What an actor may do in a session. Pure."""

from orch.access.actors import Actor
from orch.access.table import Need, allowed
from orch.protocol.session_keys import Keys, Right


def right_of(actor: Actor, keys: Keys, shown: str | None) -> Right:
    """Return an actor's right in a session. If a key is given, it alone decides."""
    if shown:
        return keys.opens(shown)
    return Right.SPEAK if allowed(actor, Need.SPEAK) else Right.NONE
