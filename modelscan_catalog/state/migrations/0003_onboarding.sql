-- Providers that were added, what was found of them and how, their clients' versions, where their keys lie.
CREATE TABLE providers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  api_type TEXT CHECK (api_type IS NULL OR api_type IN ('openai-compatible', 'anthropic-compatible', 'custom')),
  base_url TEXT,
  standing TEXT NOT NULL CHECK (standing IN ('usable', 'unconfirmed', 'needs_more')),
  interface TEXT NOT NULL CHECK (json_valid(interface)),
  interface_sha256 TEXT NOT NULL,
  added_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE discovery_cache (
  identifier TEXT NOT NULL,
  step TEXT NOT NULL,
  input_sha256 TEXT NOT NULL,
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  fetched_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (identifier, step)
) WITHOUT ROWID;

CREATE TABLE discovery_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  identifier TEXT NOT NULL,
  step TEXT NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt >= 1),
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'cached', 'refused', 'failed', 'skipped')),
  actor TEXT NOT NULL,
  seconds REAL,
  tokens INTEGER,
  detail TEXT NOT NULL CHECK (json_valid(detail))
);
CREATE INDEX discovery_logs_by_identifier ON discovery_logs (identifier, id);

CREATE TABLE sdk_versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  provider TEXT NOT NULL,
  language TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  interface_sha256 TEXT NOT NULL,
  file TEXT NOT NULL,
  text TEXT NOT NULL,
  created_at TEXT NOT NULL,
  active INTEGER NOT NULL DEFAULT 0,
  withdrawn INTEGER NOT NULL DEFAULT 0,
  UNIQUE (provider, language, sha256)
);
CREATE UNIQUE INDEX sdk_versions_active ON sdk_versions (provider, language) WHERE active = 1;

CREATE TABLE provider_keys (
  provider TEXT NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
  reference TEXT NOT NULL CHECK (reference LIKE 'env:%' OR reference LIKE 'file:%'),
  added_at TEXT NOT NULL,
  PRIMARY KEY (provider, reference)
) WITHOUT ROWID;
