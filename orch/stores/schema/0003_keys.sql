-- The keys that a session is joined with. Sessions from before get theirs here.

-- new_key(): 128 random bits, another one at each call.
ALTER TABLE sessions ADD COLUMN speak_key TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN read_key TEXT NOT NULL DEFAULT '';
UPDATE sessions SET speak_key = new_key(), read_key = new_key();
