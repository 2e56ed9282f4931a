-- Sessions, what was said in them, and who may return to them.

-- number: short key for the tables below; never given twice, so that what is left of an ended session
-- can never come up in a new one. kept_first: the oldest offset in history; last_offset + 1 when none is.
CREATE TABLE sessions (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id  TEXT    NOT NULL UNIQUE,
    epoch       TEXT    NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    kept_first  INTEGER NOT NULL DEFAULT 1,
    kept_bytes  INTEGER NOT NULL DEFAULT 0,
    config      BLOB    NOT NULL,
    created     REAL    NOT NULL,
    last_active REAL    NOT NULL
);

CREATE INDEX sessions_by_activity ON sessions (last_active);

-- Clustered by session and offset: a recovery reads one run of neighbours.
CREATE TABLE history (
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    at      REAL    NOT NULL,
    frame   BLOB    NOT NULL,
    PRIMARY KEY (session, number)
) WITHOUT ROWID;

-- token_hash: SHA-256 of the recovery token's secret; the token itself is nowhere.
CREATE TABLE participants (
    session        INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    participant_id TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    languages      TEXT    NOT NULL,
    token_hash     BLOB    NOT NULL,
    seen           REAL    NOT NULL,
    PRIMARY KEY (session, participant_id)
) WITHOUT ROWID;
