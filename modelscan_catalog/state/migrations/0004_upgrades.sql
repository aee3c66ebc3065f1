-- Upgrades of a route's model: where each stands, every decision with its figures, every evaluation.
CREATE TABLE upgrades (
  id TEXT PRIMARY KEY,
  route TEXT NOT NULL,
  primary_model TEXT NOT NULL,
  candidate TEXT NOT NULL,
  phase TEXT NOT NULL CHECK (
    phase IN ('candidate', 'shadow', 'canary', 'full', 'retired', 'rolled_back', 'stopped')),
  share REAL NOT NULL CHECK (share >= 0 AND share <= 1),
  share_since TEXT NOT NULL,
  baseline TEXT CHECK (baseline IS NULL OR json_valid(baseline)),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX one_open_upgrade_a_route ON upgrades (route)
  WHERE phase IN ('candidate', 'shadow', 'canary', 'full');

CREATE TABLE upgrade_decisions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  upgrade TEXT NOT NULL REFERENCES upgrades (id),
  at TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('stay', 'advance', 'roll_back', 'stop')),
  phase_before TEXT NOT NULL,
  phase TEXT NOT NULL,
  share REAL NOT NULL,
  reasons TEXT NOT NULL CHECK (json_valid(reasons)),
  gates TEXT NOT NULL CHECK (json_valid(gates))
);
CREATE INDEX upgrade_decisions_by_upgrade ON upgrade_decisions (upgrade, id);

CREATE TABLE evaluation_scores (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  evaluation_set TEXT NOT NULL,
  set_sha256 TEXT NOT NULL,
  model TEXT NOT NULL,
  score REAL NOT NULL CHECK (score >= 0 AND score <= 1),
  items INTEGER NOT NULL CHECK (items > 0),
  failed_items TEXT NOT NULL CHECK (json_valid(failed_items))
);
CREATE INDEX evaluation_scores_by_model ON evaluation_scores (model, evaluation_set, id);
