"""How records become rows and rows become records. Pure.

A table's columns are the fields of its record, in which ``at`` stands for its columns of time. Mappings and
tuples are stored as JSON. Characters that PostgreSQL does not store (U+0000, and halves of surrogate pairs,
which a page's script can produce) become U+FFFD, on every engine.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, get_origin

import msgspec
from msgspec import Struct

from orch.stores import bot_records as records
from orch.stores.bot_scripts.requests import Row, marks

R = TypeVar("R", bound=Struct)


def clean_text(text: str) -> str:
    """Return the text with U+FFFD for what cannot be stored."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "\ufffd")


def clean_json(value: Any) -> Any:
    """Return JSON with clean texts."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(each) for each in value]
    return value


def cleaned(record: R) -> R:
    """Return a record with clean texts."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    clean = {
        name: clean_text(value) if isinstance(value, str) else clean_json(value)
        for name, value in values.items()
        if isinstance(value, str | Mapping)
    }
    return msgspec.structs.replace(record, **clean)


def stored(value: Any) -> Any:
    """Return a value of a record as it is stored. RefusedRecordError: it must be JSON, and is none."""
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, Mapping | tuple):
        return value
    try:
        text = _as_json(value)
        return _as_json(clean_json(value)) if text is None or _NUL in text else text
    except (TypeError, ValueError, RecursionError) as error:
        raise records.RefusedRecordError(f"it cannot be written as JSON: {error}") from error


_NUL: Final = "\\u0000"
"""How JSON writes U+0000, which is searched for in vain in nearly every text."""


def _as_json(value: Any) -> str | None:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return None


class Table(Generic[R]):
    """The table of a kind of record.

    ``key``: the column that identifies a row. ``computed``: properties of the record that are columns too.
    ``written_at``: the columns that ``at`` is stored in when a row is inserted, of which ``updated_at``
    changes with it; ``read_at``: the one that ``at`` is read from. ``newest_of``: rows are replaced by those
    whose value of this column is not lower; ``is_log``: a row never changes.
    """

    def __init__(
        self,
        name: str,
        record: type[R],
        key: str,
        *,
        computed: tuple[str, ...] = (),
        written_at: tuple[str, ...] = ("created_at",),
        newest_of: str | None = None,
        is_log: bool = False,
    ) -> None:
        self.name = f"bot_sessions.{name}"
        self.record = record
        self.key = key
        fields = [each for each in record.__struct_fields__ if each != "at"]
        self._fields = [*fields, *computed]
        self._times = written_at if "at" in record.__struct_fields__ else ()
        columns = [*self._fields, *self._times]
        self.read_at = self._times[-1] if self._times else ""
        self._read = [*fields, *([self.read_at] if self.read_at else [])]
        self._names = [*fields, *(["at"] if self.read_at else [])]
        self._json = {
            each.name for each in msgspec.structs.fields(record) if get_origin(each.type) in (Mapping, tuple)
        } | {each.name for each in msgspec.structs.fields(record) if each.type is records.JSON}
        self.columns = ", ".join(self._read)
        changed = [each for each in columns if each not in (key, "session_id", "created_at")]
        effect = "DO NOTHING"
        if not is_log:
            effect = "DO UPDATE SET " + ", ".join(f"{each} = excluded.{each}" for each in changed)
            effect += " WHERE t.session_id = excluded.session_id" if "session_id" in fields else ""
            effect += f" AND excluded.{newest_of} >= t.{newest_of}" if newest_of else ""
        self.insert = (
            f"INSERT INTO {self.name} AS t ({', '.join(columns)})"  # noqa: S608 - names are constants
            f" VALUES ({marks(len(columns))})"
        )
        self.upsert = f"{self.insert} ON CONFLICT ({key}) {effect}"

    def values(self, record: R) -> tuple[Any, ...]:
        """Return the row of a record, for :attr:`upsert`."""
        row = [stored(getattr(record, each)) for each in self._fields]
        return (*row, *(record.at for _ in self._times))  # type: ignore[attr-defined]  # a field where there are times

    def select(self, condition: str) -> str:
        """Return a statement that reads whole records; ``condition``: what follows ``FROM``."""
        return f"SELECT {self.columns} FROM {self.name} {condition}"  # noqa: S608 - names are constants

    def read(self, row: Row) -> R:
        """Return the record of a row with :attr:`columns`. ValueError: it is none."""
        values = {
            name: msgspec.json.decode(value) if name in self._json else value
            for name, value in zip(self._names, row, strict=True)
        }
        return msgspec.convert(values, self.record, strict=False)

    def read_all(self, rows: Sequence[Row]) -> tuple[R, ...]:
        """Return the records of rows."""
        return tuple(self.read(row) for row in rows)


_CHANGING: Final = ("created_at", "updated_at")

LIVES: Final = Table("lives", records.Life, "bot_id")
SESSIONS: Final = Table("sessions", records.BotSession, "session_id", written_at=_CHANGING)
AUDIO_FILES: Final = Table("audio_files", records.AudioFile, "file_id", written_at=_CHANGING)
UTTERANCES: Final = Table(
    "transcripts",
    records.Utterance,
    "transcript_id",
    computed=("transcript_id", "word_count"),
    written_at=_CHANGING,
    newest_of="revision",
)
TRANSLATIONS: Final = Table(
    "translations",
    records.Translation,
    "translation_id",
    computed=("translation_id",),
    written_at=_CHANGING,
    newest_of="revision",
)
CORRELATIONS: Final = Table(
    "correlations",
    records.Correlation,
    "correlation_id",
    computed=("correlation_id",),
    newest_of="revision",
)
NAME_REVISIONS: Final = Table("names_revised", records.NameRevision, "revision_id", is_log=True)
PARTICIPANTS: Final = Table("participants", records.Participant, "participant_id", written_at=_CHANGING)
EVENTS: Final = Table("events", records.SessionEvent, "event_id", written_at=("timestamp",), is_log=True)
CONSENTS: Final = Table("consent_log", records.Consent, "consent_id", is_log=True)
EVIDENCE_FILES: Final = Table("evidence_files", records.EvidenceFile, "file_id", is_log=True)
STATISTICS: Final = Table("session_statistics", records.SessionStatistics, "session_id")
WEBHOOKS: Final = Table("webhook_deliveries", records.WebhookDelivery, "delivery_id", is_log=True)
ATTEMPTS: Final = Table(
    "webhook_attempts", records.WebhookAttempt, "attempt_id", computed=("attempt_id",), is_log=True
)
ENDPOINTS: Final = Table("webhook_endpoints", records.WebhookEndpoint, "endpoint_id")
SUBSCRIPTIONS: Final = Table("webhook_subscriptions", records.Subscription, "endpoint_id")

CAPTURED: Final[Sequence[Table[Any]]] = (
    AUDIO_FILES,
    UTTERANCES,
    TRANSLATIONS,
    CORRELATIONS,
    NAME_REVISIONS,
    PARTICIPANTS,
    EVENTS,
    CONSENTS,
    EVIDENCE_FILES,
)
"""The tables of what is captured, each after those that its rows refer to."""
