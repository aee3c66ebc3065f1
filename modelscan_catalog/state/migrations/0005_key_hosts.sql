-- Hosts that a person on this machine confirmed for a key or an account variable, beside the reviewed table.
CREATE TABLE key_hosts (
  reference TEXT NOT NULL CHECK (reference LIKE 'env:%' OR reference LIKE 'file:%'),
  host TEXT NOT NULL CHECK (host <> ''),
  confirmed_at TEXT NOT NULL,
  PRIMARY KEY (reference, host)
) WITHOUT ROWID;
