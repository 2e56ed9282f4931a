-- Whose part of which budget each stored message takes, so that what anyone may write never removes captions.

-- One row for each participant and kind of message (orch.stores.history.Kind) with something stored.
CREATE TABLE shares (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    session  INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    kind     INTEGER NOT NULL,
    sender   TEXT    NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    UNIQUE (session, kind, sender)
);

-- What each kind takes of a session: the sums of its shares. sessions.kept_bytes is the sum of all.
CREATE TABLE budgets (
    session  INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    kind     INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (session, kind)
) WITHOUT ROWID;

-- The newest offset that was dropped: of captions, and of anything else. Before, no message was told from another.
ALTER TABLE sessions ADD COLUMN dropped_captions INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN dropped_others INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET dropped_captions = kept_first - 1, dropped_others = kept_first - 1;

-- share_kind(frame), share_sender(frame): orch.stores.history.share_of.
ALTER TABLE history ADD COLUMN share INTEGER NOT NULL DEFAULT 0;
INSERT INTO shares (session, kind, sender, messages, bytes)
    SELECT session, share_kind(frame), share_sender(frame), count(*), sum(length(frame))
    FROM history GROUP BY 1, 2, 3;
UPDATE history SET share = (
    SELECT number FROM shares
    WHERE session = history.session AND kind = share_kind(frame) AND sender = share_sender(frame));
INSERT INTO budgets SELECT session, kind, sum(messages), sum(bytes) FROM shares GROUP BY 1, 2;

CREATE INDEX history_by_share ON history (session, share);
CREATE INDEX shares_by_bytes ON shares (session, kind, bytes, sender);
CREATE INDEX shares_by_messages ON shares (session, kind, messages, sender);
