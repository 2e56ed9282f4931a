-- The names and terms of a session, as JSON; '' for none. terms_revision: how often they were set.

ALTER TABLE sessions ADD COLUMN terms TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN terms_revision INTEGER NOT NULL DEFAULT 0;
