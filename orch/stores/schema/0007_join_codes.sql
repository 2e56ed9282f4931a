-- The short codes that sessions are joined with: one for each right at most, deleted with their session.

-- holds: "read" or "speak". expires: seconds since the epoch.
CREATE TABLE join_codes (
    code    TEXT    PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    holds   TEXT    NOT NULL,
    expires REAL    NOT NULL,
    UNIQUE (session, holds)
) WITHOUT ROWID;
