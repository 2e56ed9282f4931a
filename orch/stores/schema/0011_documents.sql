-- Small documents of the service itself, such as incidents: by kind and name.

-- revision: how often it was stored. expires: seconds since the epoch.
CREATE TABLE documents (
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    expires  REAL    NOT NULL,
    body     BLOB    NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
