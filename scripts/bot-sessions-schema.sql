-- The schema of bot sessions in PostgreSQL: all migrations of orch/stores/postgres/schema in their order.
-- The service migrates by itself, if its user may create the schema. To do it as another user, before the
-- first start of a version: psql -v ON_ERROR_STOP=1 -f scripts/bot-sessions-schema.sql ADDRESS
-- This file is for an empty database; of an existing one, run the migrations that it lacks.

BEGIN;

-- 0001_bot_sessions

-- Bot sessions: the lives of bots, what they captured, and what was sent about it.
--
-- Wall-clock times are timestamptz; times within a meeting are double precision seconds from the session's
-- start. Ids are text and chosen by the service, so that storing a record twice changes nothing.

CREATE SCHEMA IF NOT EXISTS bot_sessions;

CREATE TABLE bot_sessions.schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- The life of each bot. revision: how often it changed; a change names the revision that it is based on.
-- place: one of the numbers up to the limit of bots; an ended bot has none. owner, lease_until: the worker
-- that runs the bot, until then. session_id is no foreign key: the life outlasts the session's data.
CREATE TABLE bot_sessions.lives (
    bot_id             text PRIMARY KEY,
    session_id         text NOT NULL UNIQUE,
    idempotency_key    text UNIQUE,
    revision           integer NOT NULL DEFAULT 1,
    state              text NOT NULL,
    since              timestamptz NOT NULL,
    requested_at       timestamptz NOT NULL,
    due_at             timestamptz,
    queued_at          timestamptz,
    place              integer UNIQUE CHECK (place > 0),
    placed_at          timestamptz,
    admitted_at        timestamptz,
    ended_at           timestamptz,
    recoveries         integer NOT NULL DEFAULT 0,
    lost_to            text,
    was_paused         boolean NOT NULL DEFAULT false,
    reason             text,
    stage              text,
    owner              text,
    lease_until        timestamptz,
    leave_requested_at timestamptz,
    data_deleted_at    timestamptz,
    name               text NOT NULL DEFAULT '',
    meeting_url        text NOT NULL DEFAULT '',
    settings           jsonb NOT NULL DEFAULT '{}',
    metadata           jsonb NOT NULL DEFAULT '{}',
    CHECK (ended_at IS NULL OR (place IS NULL AND owner IS NULL))
);

CREATE INDEX lives_by_request ON bot_sessions.lives (requested_at, bot_id);
CREATE INDEX lives_queued ON bot_sessions.lives (queued_at, bot_id)
    WHERE queued_at IS NOT NULL AND place IS NULL AND ended_at IS NULL;
CREATE INDEX lives_scheduled ON bot_sessions.lives (due_at)
    WHERE due_at IS NOT NULL AND queued_at IS NULL AND ended_at IS NULL;
CREATE INDEX lives_leased ON bot_sessions.lives (lease_until) WHERE lease_until IS NOT NULL;

-- Sessions whose data was deleted on request: nothing is stored for them again.
CREATE TABLE bot_sessions.deleted_sessions (
    session_id text PRIMARY KEY,
    deleted_at timestamptz NOT NULL
);

-- Files whose rows were deleted; each is removed from here once it is removed from the disk.
CREATE TABLE bot_sessions.files_to_delete (
    file_path text PRIMARY KEY,
    since     timestamptz NOT NULL
);

CREATE TABLE bot_sessions.sessions (
    session_id           text PRIMARY KEY,
    bot_id               text NOT NULL,
    meeting_id           text,
    meeting_title        text,
    meeting_uri          text,
    google_meet_space_id text,
    conference_record_id text,
    status               text NOT NULL,
    end_reason           text,
    end_stage            text,
    start_time           timestamptz,
    end_time             timestamptz,
    participant_count    integer NOT NULL DEFAULT 0 CHECK (participant_count >= 0),
    target_languages     jsonb NOT NULL DEFAULT '[]',
    session_metadata     jsonb NOT NULL DEFAULT '{}',
    performance_stats    jsonb NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL
);

CREATE INDEX sessions_by_bot ON bot_sessions.sessions (bot_id);
CREATE INDEX sessions_by_end ON bot_sessions.sessions (end_time);

CREATE TABLE bot_sessions.audio_files (
    file_id             text PRIMARY KEY,
    session_id          text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    file_path           text NOT NULL,
    file_name           text NOT NULL,
    file_size           bigint NOT NULL CHECK (file_size >= 0),
    file_format         text NOT NULL,
    duration_seconds    double precision NOT NULL CHECK (duration_seconds >= 0),
    sample_rate         integer NOT NULL CHECK (sample_rate > 0),
    channels            integer NOT NULL CHECK (channels > 0),
    chunk_start_time    double precision NOT NULL,
    chunk_end_time      double precision NOT NULL,
    audio_quality_score double precision CHECK (audio_quality_score BETWEEN 0 AND 1),
    processing_status   text NOT NULL,
    file_hash           text NOT NULL,
    metadata            jsonb NOT NULL DEFAULT '{}',
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CHECK (chunk_end_time >= chunk_start_time)
);

CREATE INDEX audio_files_by_session ON bot_sessions.audio_files (session_id, chunk_start_time);

-- One row for each utterance, however often it was revised: a later revision replaces the earlier one.
CREATE TABLE bot_sessions.transcripts (
    transcript_id              text PRIMARY KEY,
    session_id                 text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    source_type                text NOT NULL CHECK (source_type IN ('google_meet', 'whisper_service', 'manual')),
    segment_index              integer NOT NULL CHECK (segment_index >= 0),
    revision                   integer NOT NULL CHECK (revision > 0),
    is_final                   boolean NOT NULL,
    transcript_text            text NOT NULL,
    word_count                 integer NOT NULL CHECK (word_count >= 0),
    language_code              text,
    start_time                 double precision NOT NULL,
    end_time                   double precision NOT NULL,
    speaker_id                 text,
    speaker_name               text,
    confidence_score           double precision CHECK (confidence_score BETWEEN 0 AND 1),
    audio_file_id              text REFERENCES bot_sessions.audio_files ON DELETE SET NULL,
    google_transcript_entry_id text,
    processing_metadata        jsonb NOT NULL DEFAULT '{}',
    created_at                 timestamptz NOT NULL,
    updated_at                 timestamptz NOT NULL,
    UNIQUE (session_id, source_type, segment_index),
    CHECK (end_time >= start_time)
);

CREATE INDEX transcripts_by_time ON bot_sessions.transcripts (session_id, start_time, segment_index);
CREATE INDEX transcripts_by_audio ON bot_sessions.transcripts (audio_file_id);

CREATE TABLE bot_sessions.translations (
    translation_id         text PRIMARY KEY,
    session_id             text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    source_transcript_id   text NOT NULL REFERENCES bot_sessions.transcripts ON DELETE CASCADE,
    revision               integer NOT NULL CHECK (revision > 0),
    translated_text        text NOT NULL,
    source_language        text,
    target_language        text NOT NULL,
    translation_confidence double precision CHECK (translation_confidence BETWEEN 0 AND 1),
    translation_service    text,
    speaker_id             text,
    speaker_name           text,
    start_time             double precision NOT NULL,
    end_time               double precision NOT NULL,
    processing_metadata    jsonb NOT NULL DEFAULT '{}',
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    UNIQUE (source_transcript_id, target_language),
    CHECK (end_time >= start_time)
);

CREATE INDEX translations_by_time ON bot_sessions.translations (session_id, target_language, start_time);

-- Whose words of an own transcript are, and why. part: an utterance of several speakers has several rows.
-- A later revision replaces all parts of the earlier one. speaker_id is null where the name is withheld.
CREATE TABLE bot_sessions.correlations (
    correlation_id         text PRIMARY KEY,
    session_id             text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    google_transcript_id   text REFERENCES bot_sessions.transcripts ON DELETE SET NULL,
    inhouse_transcript_id  text NOT NULL REFERENCES bot_sessions.transcripts ON DELETE CASCADE,
    revision               integer NOT NULL CHECK (revision > 0),
    part                   integer NOT NULL CHECK (part >= 0),
    word_start             integer NOT NULL CHECK (word_start >= 0),
    word_end               integer NOT NULL,
    correlation_confidence double precision NOT NULL CHECK (correlation_confidence BETWEEN 0 AND 1),
    timing_offset          double precision,
    correlation_type       text NOT NULL CHECK (correlation_type IN ('exact', 'interpolated', 'inferred')),
    correlation_method     text NOT NULL,
    speaker_id             text,
    speaker_name           text,
    start_time             double precision NOT NULL,
    end_time               double precision NOT NULL,
    correlation_metadata   jsonb NOT NULL DEFAULT '{}',
    created_at             timestamptz NOT NULL,
    UNIQUE (inhouse_transcript_id, part),
    CHECK (word_end >= word_start),
    CHECK (end_time >= start_time)
);

CREATE INDEX correlations_by_time ON bot_sessions.correlations (session_id, start_time);
CREATE INDEX correlations_by_caption ON bot_sessions.correlations (google_transcript_id);

-- The audit trail of names: each change of who is said to have spoken, after it was published.
CREATE TABLE bot_sessions.names_revised (
    revision_id      text PRIMARY KEY,
    session_id       text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    transcript_id    text NOT NULL REFERENCES bot_sessions.transcripts ON DELETE CASCADE,
    word_start       integer NOT NULL CHECK (word_start >= 0),
    word_end         integer NOT NULL,
    old_speaker_id   text,
    old_speaker_name text,
    new_speaker_id   text,
    new_speaker_name text,
    old_confidence   double precision CHECK (old_confidence BETWEEN 0 AND 1),
    new_confidence   double precision CHECK (new_confidence BETWEEN 0 AND 1),
    method           text NOT NULL,
    was_shown        boolean NOT NULL,
    created_at       timestamptz NOT NULL,
    CHECK (word_end >= word_start)
);

CREATE INDEX names_revised_by_time ON bot_sessions.names_revised (session_id, created_at);
CREATE INDEX names_revised_by_transcript ON bot_sessions.names_revised (transcript_id);

CREATE TABLE bot_sessions.participants (
    participant_id        text PRIMARY KEY,
    session_id            text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    google_participant_id text,
    display_name          text NOT NULL,
    email                 text,
    join_time             timestamptz,
    leave_time            timestamptz,
    total_speaking_time   double precision NOT NULL DEFAULT 0 CHECK (total_speaking_time >= 0),
    participant_metadata  jsonb NOT NULL DEFAULT '{}',
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL
);

CREATE INDEX participants_by_session ON bot_sessions.participants (session_id, join_time);

CREATE TABLE bot_sessions.events (
    event_id         text PRIMARY KEY,
    session_id       text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    event_type       text NOT NULL,
    event_subtype    text,
    event_data       jsonb NOT NULL DEFAULT '{}',
    timestamp        timestamptz NOT NULL,
    source_component text NOT NULL,
    severity         text NOT NULL CHECK (severity IN ('debug', 'info', 'warning', 'error'))
);

CREATE INDEX events_by_time ON bot_sessions.events (session_id, timestamp);

-- What was announced in the meeting, and who agreed, refused or opted out.
CREATE TABLE bot_sessions.consent_log (
    consent_id       text PRIMARY KEY,
    session_id       text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    action           text NOT NULL CHECK (action IN ('announced', 'granted', 'refused', 'withdrawn', 'opted_out')),
    participant_id   text,
    participant_name text,
    language_code    text,
    statement        text NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL
);

CREATE INDEX consent_log_by_time ON bot_sessions.consent_log (session_id, created_at);

-- What a bot saw when it failed: screenshot, trimmed DOM, last log lines.
CREATE TABLE bot_sessions.evidence_files (
    file_id    text PRIMARY KEY,
    session_id text NOT NULL REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('screenshot', 'dom', 'log')),
    file_path  text NOT NULL,
    file_size  bigint NOT NULL CHECK (file_size >= 0),
    file_hash  text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX evidence_files_by_session ON bot_sessions.evidence_files (session_id, created_at);

-- Computed once, when a session has ended.
CREATE TABLE bot_sessions.session_statistics (
    session_id                     text PRIMARY KEY REFERENCES bot_sessions.sessions ON DELETE CASCADE,
    total_duration                 double precision,
    total_participants             integer NOT NULL,
    unique_speakers                integer NOT NULL,
    total_audio_files              integer NOT NULL,
    total_audio_duration           double precision NOT NULL,
    total_audio_size               bigint NOT NULL,
    total_transcripts              integer NOT NULL,
    total_transcript_words         integer NOT NULL,
    total_translations             integer NOT NULL,
    translation_languages          jsonb NOT NULL,
    correlation_success_rate       double precision,
    average_correlation_confidence double precision,
    quality_metrics                jsonb NOT NULL DEFAULT '{}',
    computed_at                    timestamptz NOT NULL
);

-- Webhooks to send, stored in the transaction of the change that they report: one for each endpoint, whose
-- message_id is the same for all endpoints of an event. body: the exact bytes. sequence: the order of a bot's.
-- attempts, first_at: since it was stored, or last redelivered by hand.
CREATE TABLE bot_sessions.webhook_deliveries (
    delivery_id   text PRIMARY KEY,
    message_id    text NOT NULL,
    bot_id        text NOT NULL REFERENCES bot_sessions.lives ON DELETE CASCADE,
    endpoint_id   text NOT NULL,
    sequence      bigint NOT NULL,
    trigger       text NOT NULL,
    body          bytea NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts      integer NOT NULL DEFAULT 0,
    first_at      timestamptz,
    due_at        timestamptz,
    claimed_until timestamptz,
    created_at    timestamptz NOT NULL,
    UNIQUE (message_id, endpoint_id),
    CHECK ((state = 'pending') = (due_at IS NOT NULL))
);

CREATE INDEX webhook_deliveries_due ON bot_sessions.webhook_deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_bot ON bot_sessions.webhook_deliveries (bot_id, endpoint_id, sequence);
CREATE INDEX webhook_deliveries_by_time ON bot_sessions.webhook_deliveries (created_at);

-- Each attempt: what was sent, and the outcome.
CREATE TABLE bot_sessions.webhook_attempts (
    attempt_id      text PRIMARY KEY,
    delivery_id     text NOT NULL REFERENCES bot_sessions.webhook_deliveries ON DELETE CASCADE,
    number          integer NOT NULL,
    duration        double precision NOT NULL,
    method          text,
    url             text,
    address         text,
    request_headers jsonb NOT NULL DEFAULT '[]',
    status          integer,
    response        bytea NOT NULL,
    fault           text NOT NULL,
    reason          text NOT NULL,
    created_at      timestamptz NOT NULL
);

CREATE INDEX webhook_attempts_by_delivery ON bot_sessions.webhook_attempts (delivery_id, created_at);

-- Endpoints to which nothing is sent: for ever (such as after 410 Gone), or until rests_until.
CREATE TABLE bot_sessions.webhook_endpoints (
    endpoint_id     text PRIMARY KEY,
    disabled_at     timestamptz,
    disabled_reason text NOT NULL DEFAULT '',
    rests_until     timestamptz
);

-- Views. Each sum is computed from one table, before anything is joined to it.

CREATE VIEW bot_sessions.session_overview AS
SELECT
    s.session_id, s.bot_id, s.meeting_title, s.meeting_uri, s.status, s.end_reason, s.end_stage,
    s.start_time, s.end_time,
    CAST(extract(epoch FROM s.end_time - s.start_time) AS double precision) AS duration_seconds,
    (SELECT count(*) FROM bot_sessions.participants p WHERE p.session_id = s.session_id) AS participants,
    (SELECT count(*) FROM bot_sessions.audio_files a WHERE a.session_id = s.session_id) AS audio_files,
    (SELECT coalesce(sum(a.duration_seconds), 0) FROM bot_sessions.audio_files a
        WHERE a.session_id = s.session_id) AS audio_seconds,
    (SELECT CAST(coalesce(sum(a.file_size), 0) AS bigint) FROM bot_sessions.audio_files a
        WHERE a.session_id = s.session_id) AS audio_bytes,
    (SELECT count(*) FROM bot_sessions.transcripts t WHERE t.session_id = s.session_id) AS transcripts,
    (SELECT CAST(coalesce(sum(t.word_count), 0) AS bigint) FROM bot_sessions.transcripts t
        WHERE t.session_id = s.session_id) AS transcript_words,
    (SELECT count(*) FROM bot_sessions.translations x WHERE x.session_id = s.session_id) AS translations,
    (SELECT count(*) FROM bot_sessions.correlations c WHERE c.session_id = s.session_id) AS correlations,
    (SELECT count(*) FROM bot_sessions.names_revised n
        WHERE n.session_id = s.session_id AND n.was_shown) AS names_revised
FROM bot_sessions.sessions s;

CREATE VIEW bot_sessions.speaker_statistics AS
SELECT
    t.session_id, t.source_type, t.speaker_id,
    max(t.speaker_name) AS speaker_name,
    count(*) AS utterances,
    CAST(sum(t.word_count) AS bigint) AS words,
    sum(t.end_time - t.start_time) AS speaking_seconds,
    avg(t.confidence_score) AS average_confidence,
    min(t.start_time) AS first_spoke,
    max(t.end_time) AS last_spoke
FROM bot_sessions.transcripts t
WHERE t.is_final
GROUP BY t.session_id, t.source_type, t.speaker_id;

CREATE VIEW bot_sessions.translation_quality AS
SELECT
    x.session_id, x.target_language,
    count(*) AS translations,
    avg(x.translation_confidence) AS average_confidence,
    min(x.translation_confidence) AS lowest_confidence,
    count(*) FILTER (WHERE x.translation_confidence < 0.5) AS uncertain,
    count(*) FILTER (WHERE x.translated_text = '') AS empty,
    (SELECT count(*) FROM bot_sessions.transcripts t
        WHERE t.session_id = x.session_id AND t.is_final AND t.source_type <> 'google_meet') AS utterances
FROM bot_sessions.translations x
GROUP BY x.session_id, x.target_language;

CREATE VIEW bot_sessions.correlation_effectiveness AS
SELECT
    c.session_id,
    count(*) AS correlations,
    count(*) FILTER (WHERE c.speaker_id IS NOT NULL) AS named,
    count(*) FILTER (WHERE c.correlation_type = 'exact') AS exact,
    count(*) FILTER (WHERE c.correlation_type = 'interpolated') AS interpolated,
    count(*) FILTER (WHERE c.correlation_type = 'inferred') AS inferred,
    CAST(sum(c.word_end - c.word_start) AS bigint) AS words,
    CAST(coalesce(sum(c.word_end - c.word_start) FILTER (WHERE c.speaker_id IS NOT NULL), 0) AS bigint)
        AS words_named,
    avg(c.correlation_confidence) AS average_confidence,
    avg(c.timing_offset) AS average_offset,
    min(c.timing_offset) AS lowest_offset,
    max(c.timing_offset) AS highest_offset,
    (SELECT count(*) FROM bot_sessions.names_revised n
        WHERE n.session_id = c.session_id AND n.was_shown) AS names_revised
FROM bot_sessions.correlations c
GROUP BY c.session_id;

INSERT INTO bot_sessions.schema_migrations (version, name) VALUES (1, 'bot_sessions');

-- 0002_webhook_subscriptions

-- Webhooks about calendars, which no bot is part of; and the endpoints that programs have registered.

ALTER TABLE bot_sessions.webhook_deliveries
    ALTER COLUMN bot_id DROP NOT NULL,
    ADD COLUMN calendar_id text,
    ADD CHECK ((bot_id IS NULL) <> (calendar_id IS NULL));

CREATE INDEX webhook_deliveries_by_calendar ON bot_sessions.webhook_deliveries (calendar_id, endpoint_id, sequence)
    WHERE calendar_id IS NOT NULL;
CREATE INDEX webhook_deliveries_by_endpoint ON bot_sessions.webhook_deliveries (endpoint_id, created_at);

-- The endpoints that programs have registered. triggers: the events that are sent there. secret, and those
-- that it has replaced with the time until which they sign, are stored as they are: signing needs them.
CREATE TABLE bot_sessions.webhook_subscriptions (
    endpoint_id      text PRIMARY KEY,
    url              text NOT NULL,
    triggers         jsonb NOT NULL,
    description      text NOT NULL DEFAULT '',
    secret           text NOT NULL,
    replaced_secrets jsonb NOT NULL DEFAULT '[]',
    created_at       timestamptz NOT NULL
);

INSERT INTO bot_sessions.schema_migrations (version, name) VALUES (2, 'webhook_subscriptions');

COMMIT;
