-- Jobs, deployments, what happened, who did it.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
  step TEXT,
  done REAL,
  total REAL,
  unit TEXT,
  request TEXT NOT NULL CHECK (json_valid(request)),
  result TEXT CHECK (result IS NULL OR json_valid(result)),
  error TEXT,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  started_at TEXT,
  beat_at TEXT,
  ended_at TEXT
);
CREATE INDEX jobs_by_kind ON jobs (kind, subject, created_at);

CREATE TABLE deployments (
  target TEXT NOT NULL CHECK (target IN ('gpustack', 'kserve', 'local')),
  server TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT,
  checkpoint TEXT,
  state TEXT NOT NULL,
  message TEXT,
  remote_id TEXT,
  url TEXT,
  plan TEXT CHECK (plan IS NULL OR json_valid(plan)),
  body_sha256 TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (target, server, name)
);

CREATE TABLE history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  job TEXT REFERENCES jobs (id) ON DELETE SET NULL,
  detail TEXT NOT NULL CHECK (json_valid(detail))
);
CREATE INDEX history_by_subject ON history (subject, id);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed', 'dry_run')),
  before_sha256 TEXT,
  after_sha256 TEXT,
  detail TEXT NOT NULL CHECK (json_valid(detail))
);
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL CHECK (json_valid(value)),
  updated_at TEXT NOT NULL
) WITHOUT ROWID;
