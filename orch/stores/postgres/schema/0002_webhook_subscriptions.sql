-- Webhooks about calendars, which no bot is part of; and the endpoints that programs have registered.

ALTER TABLE bot_sessions.webhook_deliveries
    ALTER COLUMN bot_id DROP NOT NULL,
    ADD COLUMN calendar_id text,
    ADD CHECK ((bot_id IS NULL) <> (calendar_id IS NULL));

CREATE INDEX webhook_deliveries_by_calendar ON bot_sessions.webhook_deliveries (calendar_id, endpoint_id, sequence)
    WHERE calendar_id IS NOT NULL;
CREATE INDEX webhook_deliveries_by_endpoint ON bot_sessions.webhook_deliveries (endpoint_id, created_at);

-- The endpoints that programs have registered. triggers: the events that are sent there. secret, and those
-- that it has replaced with the time until which they sign, are stored as they are: signing needs them.
CREATE TABLE bot_sessions.webhook_subscriptions (
    endpoint_id      text PRIMARY KEY,
    url              text NOT NULL,
    triggers         jsonb NOT NULL,
    description      text NOT NULL DEFAULT '',
    secret           text NOT NULL,
    replaced_secrets jsonb NOT NULL DEFAULT '[]',
    created_at       timestamptz NOT NULL
);
