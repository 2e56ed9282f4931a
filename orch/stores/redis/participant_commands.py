"""Redis commands about the participants of a session. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from orch.stores.records import ParticipantRecord
from orch.stores.redis.calls import Call, ServerCommands
from orch.stores.redis.keys import decode_participant, encode_participant, keys, read_text

#: The range of scores that counts each sender's captions: see ``scripts/book.lua``.
CAPTION_SHARES: Final = (3 * 2**44, b"(%d" % (4 * 2**44))


class ParticipantCommands(ServerCommands):
    """Builds the calls about participants; see :class:`orch.stores.redis.calls.ServerCommands`."""

    def participant(self, session_id: str, participant_id: str) -> Call[ParticipantRecord | None]:
        """Return a participant, or None."""
        return Call(
            ((b"HGET", keys(session_id).participants, participant_id),),
            lambda replies: None if replies[0] is None else decode_participant(participant_id, replies[0]),
            session_id,
        )

    def participants(self, session_id: str) -> Call[list[ParticipantRecord]]:
        """Return all participants who may return, except those that this version cannot read."""
        return Call(
            ((b"HGETALL", keys(session_id).participants),),
            lambda replies: list(
                self._readable(keys(session_id).participants, _participant, _pairs(replies[0]))
            ),
            session_id,
        )

    def speakers(self, session_id: str) -> Call[frozenset[str]]:
        """Return the participants with captions in the history."""
        return Call(
            ((b"ZRANGEBYSCORE", keys(session_id).shares, *CAPTION_SHARES),),
            lambda replies: frozenset(
                name.removeprefix("m:0:")
                for name in self._readable(keys(session_id).shares, read_text, replies[0])
            ),
            session_id,
        )

    def see(self, session_id: str, there: Sequence[ParticipantRecord], at: float) -> Call[None]:
        """Record that participants are present now."""
        pairs = [
            part
            for one in there
            for part in (one.participant_id, encode_participant(msgspec.structs.replace(one, seen=at)))
        ]
        return Call(
            (self._script("see", (keys(session_id).participants,), *pairs),),
            lambda _: None,
            session_id,
        )

    def drop_participants(self, session_id: str, participant_ids: Sequence[str]) -> Call[None]:
        """Delete participants."""
        return Call(((b"HDEL", keys(session_id).participants, *participant_ids),), lambda _: None, session_id)


def _participant(pair: tuple[bytes, bytes]) -> ParticipantRecord:
    return decode_participant(read_text(pair[0]), pair[1])


def _pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    if isinstance(reply, Mapping):
        return list(reply.items())
    return list(zip(reply[::2], reply[1::2], strict=True))
