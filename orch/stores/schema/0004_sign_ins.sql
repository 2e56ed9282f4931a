-- Browsers that have signed in as operators, by the hash of their cookie.

-- expires: seconds since the epoch.
CREATE TABLE sign_ins (
    name    TEXT PRIMARY KEY,
    expires REAL NOT NULL
) WITHOUT ROWID;
