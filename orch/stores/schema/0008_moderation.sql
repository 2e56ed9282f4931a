-- What a session's host has decided: who is muted or removed, whether the session is locked.

-- moderation: JSON (orch/websocket/moderation/decisions.py); empty: nothing was decided.
ALTER TABLE sessions ADD COLUMN moderation BLOB NOT NULL DEFAULT X'';
