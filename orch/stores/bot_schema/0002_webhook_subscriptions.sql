-- Webhooks about calendars, which no bot is part of; and the endpoints that programs have registered.

-- A column cannot lose NOT NULL, so the table is made again; its attempts are put aside meanwhile, since they
-- would be deleted with the former one.
CREATE TABLE kept_attempts AS SELECT * FROM bot_webhook_attempts;
DROP TABLE bot_webhook_attempts;
ALTER TABLE bot_webhook_deliveries RENAME TO former_deliveries;

CREATE TABLE bot_webhook_deliveries (
    delivery_id   text NOT NULL PRIMARY KEY,
    message_id    text NOT NULL,
    bot_id        text REFERENCES bot_lives (bot_id) ON DELETE CASCADE,
    endpoint_id   text NOT NULL,
    sequence      integer NOT NULL,
    trigger       text NOT NULL,
    body          blob NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts      integer NOT NULL DEFAULT 0,
    first_at      double precision,
    due_at        double precision,
    claimed_until double precision,
    created_at    double precision NOT NULL,
    calendar_id   text,
    UNIQUE (message_id, endpoint_id),
    CHECK ((bot_id IS NULL) <> (calendar_id IS NULL)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL))
);

INSERT INTO bot_webhook_deliveries (
    delivery_id, message_id, bot_id, endpoint_id, sequence, trigger, body, state, attempts, first_at, due_at,
    claimed_until, created_at
) SELECT delivery_id, message_id, bot_id, endpoint_id, sequence, trigger, body, state, attempts, first_at, due_at,
    claimed_until, created_at FROM former_deliveries;
DROP TABLE former_deliveries;

CREATE INDEX bot_webhook_deliveries_due ON bot_webhook_deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX bot_webhook_deliveries_by_bot ON bot_webhook_deliveries (bot_id, endpoint_id, sequence);
CREATE INDEX bot_webhook_deliveries_by_calendar ON bot_webhook_deliveries (calendar_id, endpoint_id, sequence)
    WHERE calendar_id IS NOT NULL;
CREATE INDEX bot_webhook_deliveries_by_endpoint ON bot_webhook_deliveries (endpoint_id, created_at);
CREATE INDEX bot_webhook_deliveries_by_time ON bot_webhook_deliveries (created_at);

CREATE TABLE bot_webhook_attempts (
    attempt_id      text NOT NULL PRIMARY KEY,
    delivery_id     text NOT NULL REFERENCES bot_webhook_deliveries (delivery_id) ON DELETE CASCADE,
    number          integer NOT NULL,
    duration        double precision NOT NULL,
    method          text,
    url             text,
    address         text,
    request_headers text NOT NULL DEFAULT '[]',
    status          integer,
    response        blob NOT NULL,
    fault           text NOT NULL,
    reason          text NOT NULL,
    created_at      double precision NOT NULL
);

INSERT INTO bot_webhook_attempts SELECT * FROM kept_attempts;
DROP TABLE kept_attempts;

CREATE INDEX bot_webhook_attempts_by_delivery ON bot_webhook_attempts (delivery_id, created_at);

-- The endpoints that programs have registered. triggers: the events that are sent there. secret, and those
-- that it has replaced with the time until which they sign, are stored as they are: signing needs them.
CREATE TABLE bot_webhook_subscriptions (
    endpoint_id      text NOT NULL PRIMARY KEY,
    url              text NOT NULL,
    triggers         text NOT NULL,
    description      text NOT NULL DEFAULT '',
    secret           text NOT NULL,
    replaced_secrets text NOT NULL DEFAULT '[]',
    created_at       double precision NOT NULL
);
