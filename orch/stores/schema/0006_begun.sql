-- From which address each session was begun, so that none begins too many; those from before have none.

CREATE TABLE begun (
    session INTEGER PRIMARY KEY REFERENCES sessions (number) ON DELETE CASCADE,
    address TEXT    NOT NULL
);

CREATE INDEX begun_by_address ON begun (address);
