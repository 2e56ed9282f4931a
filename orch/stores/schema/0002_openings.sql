-- Who has the file open, so that the next one to open it knows whether anything may be missing.

-- boot: the operating system's run in which it was opened; is_closed: 1 once all of it is on the disk.
CREATE TABLE openings (
    number    INTEGER PRIMARY KEY CHECK (number = 1),
    boot      TEXT    NOT NULL,
    is_closed INTEGER NOT NULL
);
