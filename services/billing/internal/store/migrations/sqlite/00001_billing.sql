-- +goose Up

-- Times are microseconds since 1970 UTC, 0 for none. Money is nano-USD.

CREATE TABLE organizations (
  id           TEXT PRIMARY KEY,
  display_name TEXT NOT NULL,
  created_at   BIGINT NOT NULL
);

CREATE TABLE teams (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  id              TEXT NOT NULL,
  display_name    TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  PRIMARY KEY (organization_id, id)
);

CREATE TABLE users (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  id              TEXT NOT NULL,
  display_name    TEXT NOT NULL,
  team_id         TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  PRIMARY KEY (organization_id, id)
);

CREATE TABLE api_keys (
  id                  TEXT PRIMARY KEY,
  organization_id     TEXT NOT NULL REFERENCES organizations (id),
  hash                TEXT NOT NULL UNIQUE,
  prefix              TEXT NOT NULL,
  display_name        TEXT NOT NULL,
  team_id             TEXT NOT NULL,
  user_id             TEXT NOT NULL,
  roles               TEXT NOT NULL,
  allowed_models      TEXT NOT NULL,
  allowed_collections TEXT NOT NULL,
  requests_per_minute BIGINT NOT NULL,
  tokens_per_minute   BIGINT NOT NULL,
  expires_at          BIGINT NOT NULL,
  revoked_at          BIGINT NOT NULL,
  created_at          BIGINT NOT NULL
);
CREATE INDEX api_keys_newest ON api_keys (organization_id, created_at, id);

CREATE TABLE audit_events (
  organization_id TEXT NOT NULL,
  sequence        BIGINT NOT NULL,
  happened_at     BIGINT NOT NULL,
  actor           TEXT NOT NULL,
  action          TEXT NOT NULL,
  resource        TEXT NOT NULL,
  hash            TEXT NOT NULL,
  PRIMARY KEY (organization_id, sequence)
);

CREATE TABLE budgets (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  scope           TEXT NOT NULL,
  span            INTEGER NOT NULL,
  limit_nano      BIGINT NOT NULL,
  alerts          TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  UNIQUE (organization_id, scope, span)
);

-- What is settled and held in each window of each scope that has a budget. Windows are never
-- reset: a new window is a new row.
CREATE TABLE balances (
  organization_id TEXT NOT NULL,
  scope           TEXT NOT NULL,
  span            INTEGER NOT NULL,
  span_start      BIGINT NOT NULL,
  settled         BIGINT NOT NULL,
  held            BIGINT NOT NULL,
  PRIMARY KEY (organization_id, scope, span, span_start)
) WITHOUT ROWID;

-- Holds that live; one that ends is deleted.
CREATE TABLE holds (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  request_id      TEXT NOT NULL,
  lease           INTEGER NOT NULL,
  amount          BIGINT NOT NULL,
  remaining       BIGINT NOT NULL,
  charges         TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX holds_of_request ON holds (organization_id, request_id) WHERE request_id <> '';
CREATE INDEX holds_expiry ON holds (expires_at);

CREATE TABLE price_versions (
  version      TEXT PRIMARY KEY,
  provider     TEXT NOT NULL,
  model        TEXT NOT NULL,
  region       TEXT NOT NULL,
  mode         TEXT NOT NULL,
  above_tokens BIGINT NOT NULL,
  effective_at BIGINT NOT NULL,
  source       TEXT NOT NULL,
  rates        TEXT NOT NULL,
  first_used   BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE usage_rows (
  id              INTEGER PRIMARY KEY,
  request_id      TEXT NOT NULL,
  attempt         INTEGER NOT NULL,
  payload_hash    TEXT NOT NULL,
  organization_id TEXT NOT NULL,
  team_id         TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  key_id          TEXT NOT NULL,
  provider        TEXT NOT NULL,
  model           TEXT NOT NULL,
  region          TEXT NOT NULL,
  mode            TEXT NOT NULL,
  target          TEXT NOT NULL,
  requested_model TEXT NOT NULL,
  input           BIGINT NOT NULL,
  cache_read      BIGINT NOT NULL,
  cache_write_5m  BIGINT NOT NULL,
  cache_write_1h  BIGINT NOT NULL,
  input_audio     BIGINT NOT NULL,
  input_image     BIGINT NOT NULL,
  output          BIGINT NOT NULL,
  reasoning       BIGINT NOT NULL,
  output_audio    BIGINT NOT NULL,
  usage_source    INTEGER NOT NULL,
  outcome         INTEGER NOT NULL,
  started_at      BIGINT NOT NULL,
  duration        BIGINT NOT NULL,
  first_token     BIGINT NOT NULL,
  streamed        INTEGER NOT NULL,
  hold_id         TEXT NOT NULL,
  last_attempt    INTEGER NOT NULL,
  trace_id        TEXT NOT NULL,
  metadata        TEXT NOT NULL,
  cost            BIGINT NOT NULL,
  price_version   TEXT NOT NULL,
  unpriced        INTEGER NOT NULL,
  committed_at    BIGINT NOT NULL,
  UNIQUE (request_id, attempt)
);
CREATE INDEX usage_by_time ON usage_rows (organization_id, started_at);
CREATE INDEX usage_newest ON usage_rows (organization_id, id);

-- Double entry: the amounts of one usage row add up to zero.
CREATE TABLE ledger_entries (
  usage_id INTEGER NOT NULL,
  line     INTEGER NOT NULL,
  account  TEXT NOT NULL,
  amount   BIGINT NOT NULL,
  units    BIGINT NOT NULL,
  PRIMARY KEY (usage_id, line)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE ledger_entries;
DROP TABLE usage_rows;
DROP TABLE price_versions;
DROP TABLE holds;
DROP TABLE balances;
DROP TABLE budgets;
DROP TABLE audit_events;
DROP TABLE api_keys;
DROP TABLE users;
DROP TABLE teams;
DROP TABLE organizations;
