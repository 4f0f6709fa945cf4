-- Times are whole seconds since the Unix epoch. Lists are JSON arrays of strings. Secrets and hashes are base64url without padding.

-- One row: what is true of the whole database.
CREATE TABLE state (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    -- With the number of an entry it makes a cursor of the revocation feed.
    identity TEXT NOT NULL,
    -- The number of the last entry that was ever written to the feed; numbers are never used again.
    last_entry BIGINT NOT NULL
);

CREATE TABLE roles (
    name TEXT PRIMARY KEY,
    level TEXT NOT NULL CHECK (level IN ('admin', 'user')),
    scopes TEXT NOT NULL,
    is_default BOOLEAN NOT NULL
);

CREATE TABLE users (
    -- The prefix keeps users and clients apart: both may be the `sub` of a token.
    id TEXT PRIMARY KEY CHECK (substr(id, 1, 4) = 'usr_'),
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    password_one_time BOOLEAN NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE user_roles (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_by_role ON user_roles (role);

CREATE TABLE clients (
    id TEXT PRIMARY KEY CHECK (substr(id, 1, 4) <> 'usr_'),
    name TEXT NOT NULL,
    -- NULL for a public client.
    secret_hash TEXT,
    redirect_uris TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    allow_list TEXT NOT NULL,
    trusted BOOLEAN NOT NULL,
    introspects BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE approvals (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    approved_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id, scope)
);
CREATE INDEX approvals_by_client ON approvals (client_id);

CREATE TABLE codes (
    hash TEXT PRIMARY KEY,
    family TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    requested TEXT NOT NULL,
    resources TEXT NOT NULL,
    nonce TEXT,
    authenticated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- A redeemed code stays as long as a token of its family does, for a replay ends them.
    redeemed BOOLEAN NOT NULL
);
CREATE INDEX codes_by_user ON codes (user_id, client_id);
CREATE INDEX codes_by_client ON codes (client_id);
CREATE INDEX codes_by_end ON codes (expires_at);

CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    family TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    resources TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- A used token stays until it would have ended, for a second use ends its family.
    used BOOLEAN NOT NULL
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id, client_id);
CREATE INDEX refresh_tokens_by_client ON refresh_tokens (client_id);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);

-- Access tokens that were issued, have not ended and were not taken back.
CREATE TABLE access_tokens (
    jti TEXT PRIMARY KEY,
    -- NULL for client credentials.
    family TEXT,
    -- A user, or the client itself.
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_tokens_by_family ON access_tokens (family);
CREATE INDEX access_tokens_by_subject ON access_tokens (subject, client_id);
CREATE INDEX access_tokens_by_client ON access_tokens (client_id);
CREATE INDEX access_tokens_by_end ON access_tokens (expires_at);

CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    authenticated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    pkcs8 TEXT NOT NULL,
    signs_from BIGINT NOT NULL
);

-- The revocation feed. An entry names one token, or every token of a subject, a client or both that was issued up to a moment.
CREATE TABLE revocations (
    number BIGINT PRIMARY KEY,
    jti TEXT,
    subject TEXT,
    client_id TEXT,
    issued_before BIGINT,
    expires_at BIGINT NOT NULL,
    CHECK (
        (jti IS NOT NULL AND subject IS NULL AND client_id IS NULL AND issued_before IS NULL)
        OR (jti IS NULL AND (subject IS NOT NULL OR client_id IS NOT NULL) AND issued_before IS NOT NULL)
    )
);
CREATE INDEX revocations_by_subject ON revocations (subject, client_id);
CREATE INDEX revocations_by_client ON revocations (client_id);
CREATE INDEX revocations_by_end ON revocations (expires_at);
