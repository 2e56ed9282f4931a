-- What a session's speech passes through, as JSON; '' for nothing. pipeline_revision: how often it was set.

ALTER TABLE sessions ADD COLUMN pipeline BLOB NOT NULL DEFAULT x'';
ALTER TABLE sessions ADD COLUMN pipeline_revision INTEGER NOT NULL DEFAULT 0;
