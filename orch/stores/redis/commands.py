"""The Redis commands for each operation on sessions, and how their replies are read. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from orch.protocol.session_keys import NO_KEYS, Keys
from orch.protocol.terms import Terms
from orch.stores.history import NOBODYS_CAPTION, Kind, Limits, Losses
from orch.stores.records import HistoryMessage, ParticipantRecord, SessionRecord, encode_terms
from orch.stores.redis.calls import Call, Command, Message
from orch.stores.redis.index_commands import IndexCommands
from orch.stores.redis.keys import (
    INDEX,
    PROBE,
    Notice,
    UnreadableError,
    decode_entry,
    encode_header,
    encode_notice,
    encode_participant,
    keys,
    mark,
    number,
    read_entry,
    read_number,
    read_terms,
    read_text,
    read_time,
)
from orch.stores.redis.participant_commands import ParticipantCommands

#: Estimated bytes of a session besides its history and config, and of a participant who may return.
SESSION_BYTES: Final = 1_024
PARTICIPANT_BYTES: Final = 256

_FIELDS: Final = (
    *("epoch", "offset", "first", "config", "created", "active", "speak", "read"),
    *("moderation", "terms", "terms_revision", "pipeline", "pipeline_revision"),
)


class SessionCommands(IndexCommands, ParticipantCommands):
    """Builds the commands for sessions. Stateless.

    ``scripts``: by name; ``writer``: the name of this writer; ``lifetime``: seconds until the keys of an
    unused session expire, longer than the time after which it is ended; ``database``: the number of the
    database; ``unreadable`` is called with the key and the error of each value that is skipped as invalid.
    """

    def create(self, record: SessionRecord, owner: ParticipantRecord | None, *, token: str) -> Call[bool]:
        """Store a new session. False: the name is taken."""
        there = () if owner is None else (owner.participant_id, encode_participant(owner))
        return Call(
            (
                self._script(
                    "create",
                    keys(record.session_id),
                    token,
                    self._ttl(),
                    record.epoch,
                    record.offset,
                    record.kept_first,
                    record.config,
                    number(record.created),
                    number(record.last_active),
                    record.keys.speak,
                    record.keys.read,
                    encode_terms(record.terms),
                    record.terms_revision,
                    record.pipeline,
                    record.pipeline_revision,
                    *there,
                ),
                (b"ZADD", INDEX, b"NX", number(record.last_active), record.session_id),
            ),
            lambda replies: replies[0] == 1,
            record.session_id,
            len(record.config) + len(encode_terms(record.terms)) + len(record.pipeline),
            decisive=1,
        )

    def command_probe(self, token: str) -> Call[None]:
        """Probe all operations on a session that does not exist, without the index.

        ``token``: a new one each time; otherwise it would be recognised as already done.
        """
        made = SessionRecord(PROBE, "", 0, 1, b"{}", 0.0, 0.0)
        someone = ParticipantRecord("p", "", "observer", (), b"", 0.0)
        said = Message(b"{}", 0.0, encode_header(0.0, NOBODYS_CAPTION, None))
        limits = Limits(messages=1, seconds=1)
        calls: tuple[Call[Any], ...] = (
            self.create(made, someone, token=token),
            self.give_keys(PROBE, NO_KEYS),
            self.replace_config(PROBE, b"{}", b"{}"),
            self.moderate(PROBE, b"", b"{}", None),
            self.store_terms(PROBE, ()),
            self.store_pipeline(PROBE, b""),
            self.append(PROBE, [said], limits, batch=token, place=0, known=("", 0)),
            self.read(PROBE, 0, 1),
            self.losses(PROBE),
            self.read(PROBE, 0, 1, 1),
            self.prune([PROBE], 0.0, limits),
            self.erase(PROBE, [1]),
            self.put_participant(PROBE, someone),
            self.see(PROBE, [someone], 0.0),
            self.participants(PROBE),
            self.drop_participants(PROBE, ["p"]),
            self.delete([PROBE], token=token, idle_since=None),
        )
        return Call(tuple(call.commands[0] for call in calls), lambda _: None)

    def look(self) -> Call[tuple[str, float]]:
        """Return the server's ``INFO``, and its time in seconds since the epoch."""
        return Call(
            ((b"INFO",), (b"TIME",)),
            lambda replies: (
                replies[0].decode(errors="replace"),
                read_number(replies[1][0]) + read_number(replies[1][1]) / 1e6,
            ),
        )

    def load(self, session_id: str) -> Call[SessionRecord | None]:
        """Return a session, or None."""
        return Call((_fields(session_id),), lambda replies: _session(session_id, replies[0]), session_id)

    def give_keys(self, session_id: str, given: Keys) -> Call[bool]:
        """Set the keys of a session that has none. False: it does not exist."""
        return Call(
            (self._script("keys", keys(session_id)[:1], given.speak, given.read),),
            lambda replies: replies[0] == 1,
            session_id,
        )

    def replace_config(self, session_id: str, known: bytes, config: bytes) -> Call[bool]:
        """Replace a session's ``config``. False: it is not ``known``, or the session does not exist."""
        return Call(
            (self._script("config", keys(session_id)[:1], known, config),),
            lambda replies: replies[0] == 1,
            session_id,
            len(config),
        )

    def moderate(self, session_id: str, known: bytes, moderation: bytes, given: Keys | None) -> Call[bool]:
        """Replace a session's moderation, and its keys unless they are None. False: it has changed."""
        pair = () if given is None else (given.speak, given.read)
        return Call(
            (self._script("moderate", keys(session_id)[:1], known, moderation, *pair),),
            lambda replies: replies[0] == 1,
            session_id,
            len(moderation),
        )

    def store_terms(self, session_id: str, terms: Terms) -> Call[int | None]:
        """Store a session's terms; return their revision, or None if it does not exist."""
        encoded = encode_terms(terms)
        return Call(
            (self._script("terms", keys(session_id)[:1], encoded),),
            lambda replies: int(replies[0]) or None,
            session_id,
            len(encoded),
        )

    def store_pipeline(self, session_id: str, pipeline: bytes) -> Call[int | None]:
        """Store a session's pipeline; return its revision, or None if it does not exist."""
        return Call(
            (self._script("pipeline", keys(session_id)[:1], pipeline),),
            lambda replies: int(replies[0]) or None,
            session_id,
            len(pipeline),
        )

    def heads(self, session_ids: Sequence[str]) -> Call[dict[str, SessionRecord | None]]:
        """Return several sessions by name; invalid ones are left out."""
        return Call(
            tuple(_fields(session_id) for session_id in session_ids),
            lambda replies: dict(self._sessions(session_ids, replies)),
            is_partial=True,
        )

    def used_bytes(self, session_ids: Sequence[str]) -> Call[int]:
        """Return the bytes of some sessions: their text, and a flat rate for everything else."""
        return Call(
            tuple(
                command
                for session_id in session_ids
                for command in (
                    (b"HGET", keys(session_id).session, b"bytes"),
                    (b"HSTRLEN", keys(session_id).session, b"config"),
                    (b"HSTRLEN", keys(session_id).session, b"terms"),
                    (b"HSTRLEN", keys(session_id).session, b"pipeline"),
                    (b"HLEN", keys(session_id).participants),
                )
            ),
            lambda replies: sum(
                SESSION_BYTES
                + _size(history)
                + _size(config)
                + _size(terms)
                + _size(pipeline)
                + PARTICIPANT_BYTES * _size(participants)
                for history, config, terms, pipeline, participants in zip(*[iter(replies)] * 5, strict=True)
            ),
            is_partial=True,
        )

    def delete(
        self, session_ids: Sequence[str], *, token: str, idle_since: float | None
    ) -> Call[tuple[str, ...]]:
        """Delete sessions and notify the workers that follow them. Return those that existed.

        ``idle_since``: only sessions last active before then.
        """
        ended = encode_notice(Notice("ended", self._writer, b""))
        before = b"inf" if idle_since is None else number(idle_since)
        scripts = [
            self._script(
                "delete",
                (*keys(session_id), mark(session_id, f"{self._writer}:deleted")),
                token,
                self._channel(session_id),
                ended,
                before,
            )
            for session_id in session_ids
        ]
        return Call(
            tuple(scripts),
            lambda replies: tuple(name for name, gone in zip(session_ids, replies, strict=True) if gone == 1),
            is_partial=True,
        )

    def touch(self, session_ids: Sequence[str], at: float) -> Call[dict[str, bool]]:
        """Mark sessions as in use; return which of them exist, as far as their data is valid."""
        return Call(
            tuple(
                self._script("touch", keys(session_id), self._ttl(), number(at)) for session_id in session_ids
            ),
            lambda replies: {
                name: found == 1
                for name, found in zip(session_ids, replies, strict=True)
                if not isinstance(found, Exception)
            },
            is_partial=True,
        )

    def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        limits: Limits,
        *,
        batch: str,
        place: int,
        known: tuple[str, int],
    ) -> Call[int | None]:
        """Append messages in order; return the first one's offset, or None if the session does not exist.

        ``batch``: the number of the writer's batch, which is repeated as a whole; ``place``: the position in
        it. ``known``: an epoch and an offset assigned in it, so that it is never assigned again.
        """
        now = max(each.at for each in messages)
        pairs = [part for each in messages for part in (each.header, each.body)]
        return Call(
            (
                self._script(
                    "append",
                    (*keys(session_id), mark(session_id, self._writer)),
                    batch,
                    place,
                    self._channel(session_id),
                    self._ttl(),
                    number(now),
                    *known,
                    *_limits(limits),
                    *pairs,
                ),
                _used(session_id, now),
            ),
            lambda replies: None if replies[0] < 0 else int(replies[0]),
            session_id,
            decisive=1,
        )

    def read(
        self, session_id: str, after: int, until: int, size: int | None = None
    ) -> Call[tuple[HistoryMessage, ...]]:
        """Return the stored messages between two offsets, in order: the first ``size`` bytes."""
        first, last = b"%d-0" % (after + 1), b"%d-0" % max(until, 0)
        history = keys(session_id).history
        command: Command = (b"XRANGE", history, first, last)
        if size is not None:
            command = self._script("read", (history,), first, last, size)
        return Call(
            (command,),
            lambda replies: tuple(self._readable(keys(session_id).history, decode_entry, replies[0])),
            session_id,
        )

    def entries(self, session_id: str, after: int, until: int) -> Call[list[tuple[int, bytes, bytes]]]:
        """Return the stored entries between two offsets: offset, header, frame."""
        return Call(
            ((b"XRANGE", keys(session_id).history, b"%d-0" % (after + 1), b"%d-0" % until),),
            lambda replies: list(self._readable(keys(session_id).history, read_entry, replies[0])),
            session_id,
        )

    def losses(self, session_id: str) -> Call[Losses | None]:
        """Return the losses of a session's history, or None if it does not exist."""
        return Call(
            (self._script("losses", keys(session_id)),),
            lambda replies: Losses(*map(int, replies[0])) if replies[0] else None,
            session_id,
        )

    def prune(self, session_ids: Sequence[str], now: float, limits: Limits) -> Call[list[tuple[int, int]]]:
        """Drop messages over the limits; return for each session the number dropped and its participants."""
        return Call(
            tuple(
                self._script(
                    "prune",
                    keys(session_id),
                    number(now),
                    *_limits(limits),
                    self._ttl(),
                )
                for session_id in session_ids
            ),
            lambda replies: [(0, 0) if isinstance(each, Exception) else tuple(each) for each in replies],
            is_partial=True,
        )

    def erase(self, session_id: str, offsets: Sequence[int]) -> Call[int]:
        """Drop messages of a session on purpose; return how many there were."""
        return Call(
            (self._script("erase", keys(session_id), *offsets),),
            lambda replies: int(replies[0]),
            session_id,
        )

    def raise_offset(self, session_id: str, epoch: str, offset: int) -> Call[int]:
        """Raise a session's offset to one already assigned; return its offset, or -1 for another epoch."""
        return Call(
            (self._script("raise", keys(session_id), epoch, offset),),
            lambda replies: int(replies[0]),
            session_id,
        )

    def renew(self, session_id: str, epoch: str) -> Command:
        """Give a session a new epoch."""
        return self._script("renew", keys(session_id)[:1], epoch)

    def put_participant(self, session_id: str, participant: ParticipantRecord) -> Call[bool]:
        """Store a participant and mark the session as in use. False: the session does not exist."""
        return Call(
            (
                self._script(
                    "touch",
                    keys(session_id),
                    self._ttl(),
                    number(participant.seen),
                    participant.participant_id,
                    encode_participant(participant),
                ),
                _used(session_id, participant.seen),
            ),
            lambda replies: replies[0] == 1,
            session_id,
            decisive=1,
        )

    def publish_to_session(self, session_id: str, payload: bytes) -> Call[int]:
        """Publish a transient message to the workers that follow the session; return their number."""
        said = encode_notice(Notice("message", self._writer, payload))
        return Call(
            (self._script("tell", keys(session_id)[:1], self._channel(session_id), said),),
            lambda replies: int(replies[0]),
            session_id,
            len(payload),
        )

    def _sessions(
        self, session_ids: Sequence[str], replies: Sequence[Any]
    ) -> Iterator[tuple[str, SessionRecord | None]]:
        for session_id, fields in zip(session_ids, replies, strict=True):
            if isinstance(fields, Exception):
                continue  # reported already as the server's error
            try:
                yield session_id, _session(session_id, fields)
            except UnreadableError as error:
                self._unreadable(keys(session_id).session, error)


def _size(reply: object) -> int:
    """Return a number from the server; 0 for an error or anything else."""
    if isinstance(reply, bytes):
        return int(reply) if reply.isdigit() else 0
    return reply if isinstance(reply, int) else 0


def _limits(limits: Limits) -> list[bytes | int]:
    return [number(limits.seconds), *(part for kind in Kind for part in limits.budget(kind))]


def _fields(session_id: str) -> Command:
    return (b"HMGET", keys(session_id).session, *_FIELDS)


def _used(session_id: str, at: float) -> Command:
    return (b"ZADD", INDEX, b"XX", b"GT", number(at), session_id)


def _session(session_id: str, fields: Sequence[bytes | None]) -> SessionRecord | None:
    epoch, offset, first, config, created, active, speak, read, moderation, *more = fields
    terms, terms_revision, pipeline, pipeline_revision = more
    if (
        epoch is None
        or offset is None
        or first is None
        or config is None
        or created is None
        or active is None
    ):
        return None
    return SessionRecord(
        session_id,
        read_text(epoch),
        read_number(offset),
        read_number(first),
        config,
        read_time(created),
        read_time(active),
        Keys(read_text(speak or b""), read_text(read or b"")),
        moderation or b"",
        read_terms(terms or b""),
        read_number(terms_revision or b"0"),
        pipeline or b"",
        read_number(pipeline_revision or b"0"),
    )
