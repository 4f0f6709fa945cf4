-- The rows of the sample API: one tenant's automations, and the spaces that they may lie in.

CREATE TABLE spaces (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE members (
    space   INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    role    TEXT NOT NULL CHECK (role IN ('viewer', 'editor')),
    PRIMARY KEY (space, subject)
);

-- Identifiers are never given twice: an old link must not lead to somebody else's row.
CREATE TABLE automations (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    owner   TEXT NOT NULL,
    space   INTEGER REFERENCES spaces (id),
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1))
);

CREATE INDEX automations_by_owner ON automations (owner);
CREATE INDEX automations_by_space ON automations (space);

CREATE TABLE runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    automation INTEGER NOT NULL REFERENCES automations (id) ON DELETE CASCADE,
    started_by TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'stopped'))
);

CREATE INDEX runs_by_automation ON runs (automation);
