-- Schema history
-- 001  providers, roles, managed policies, clusters, access entries, custom access policies, the audit log
--
-- Times are microseconds since the epoch, UTC. Lists and maps are JSON.

-- +goose Up
CREATE TABLE account (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    id         TEXT    NOT NULL,
    alias      TEXT    NOT NULL DEFAULT '',
    created    INTEGER NOT NULL,
    generation INTEGER NOT NULL
) STRICT;

CREATE TABLE provider (
    url         TEXT    PRIMARY KEY NOT NULL,
    id          TEXT    NOT NULL UNIQUE,
    client_ids  TEXT    NOT NULL,
    thumbprints TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    created     INTEGER NOT NULL
) STRICT;

CREATE TABLE managed_policy (
    id              TEXT    PRIMARY KEY NOT NULL,
    name            TEXT    NOT NULL,
    path            TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    default_version INTEGER NOT NULL,
    latest_version  INTEGER NOT NULL, -- the highest number there has been
    tags            TEXT    NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL
) STRICT;

-- Names of managed policies differ by more than case.
CREATE UNIQUE INDEX managed_policy_name ON managed_policy (lower(name));

CREATE TABLE policy_version (
    policy_id TEXT    NOT NULL REFERENCES managed_policy (id),
    number    INTEGER NOT NULL,
    document  TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    PRIMARY KEY (policy_id, number)
) STRICT;

CREATE TABLE role (
    id          TEXT    PRIMARY KEY NOT NULL,
    name        TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    max_session INTEGER NOT NULL, -- microseconds
    trust       TEXT    NOT NULL,
    trust_roles TEXT    NOT NULL, -- the roles that trust names, and their ids when it was saved
    boundary    TEXT    REFERENCES managed_policy (id),
    tags        TEXT    NOT NULL,
    created     INTEGER NOT NULL
) STRICT;

-- Names of roles differ by more than case.
CREATE UNIQUE INDEX role_name ON role (lower(name));

CREATE TABLE role_policy (
    role_id  TEXT NOT NULL REFERENCES role (id),
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (role_id, name)
) STRICT;

CREATE TABLE role_attachment (
    role_id   TEXT NOT NULL REFERENCES role (id),
    policy_id TEXT NOT NULL REFERENCES managed_policy (id),
    PRIMARY KEY (role_id, policy_id)
) STRICT;

-- Whether anything refers to a policy is asked when one is deleted.
CREATE INDEX role_boundary ON role (boundary);
CREATE INDEX role_attachment_policy ON role_attachment (policy_id);

CREATE TABLE cluster (
    name           TEXT    PRIMARY KEY NOT NULL,
    id             TEXT    NOT NULL UNIQUE,
    region         TEXT    NOT NULL,
    endpoint       TEXT    NOT NULL,
    ca             BLOB    NOT NULL,
    mode           TEXT    NOT NULL,
    trust_accounts TEXT    NOT NULL,
    bearer_max_age INTEGER NOT NULL, -- microseconds
    tags           TEXT    NOT NULL,
    updates        TEXT    NOT NULL, -- of its authentication mode, which moves on twice at most
    created        INTEGER NOT NULL
) STRICT;

CREATE TABLE access_entry (
    cluster      TEXT    NOT NULL REFERENCES cluster (name),
    principal    TEXT    NOT NULL,
    cluster_id   TEXT    NOT NULL,
    principal_id TEXT    NOT NULL, -- the role's id when the entry was made; the role may be gone
    uuid         TEXT    NOT NULL,
    username     TEXT    NOT NULL,
    k8s_groups   TEXT    NOT NULL,
    tags         TEXT    NOT NULL,
    policies     TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    PRIMARY KEY (cluster, principal)
) STRICT;

CREATE TABLE access_policy (
    name     TEXT    PRIMARY KEY NOT NULL,
    rules    TEXT    NOT NULL, -- as in a ClusterRole
    created  INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_event (
    idx    INTEGER PRIMARY KEY, -- from 0, without a gap
    at     INTEGER NOT NULL,
    body   BLOB    NOT NULL,    -- the very bytes that are hashed
    hashes BLOB    NOT NULL,    -- of the nodes of the tree that this event completes, the leaf first, 32 bytes each
    denial TEXT                 -- id of the request, where it was refused
) STRICT;

-- What was refused is found by its id, and listed. What was allowed costs nothing.
CREATE INDEX audit_event_denial ON audit_event (denial) WHERE denial IS NOT NULL;
CREATE INDEX audit_event_denied ON audit_event (idx) WHERE denial IS NOT NULL;

CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    note TEXT    NOT NULL
) STRICT;

-- What is recorded stays: only the checkpoint moves on.
-- +goose StatementBegin
CREATE TRIGGER audit_event_update BEFORE UPDATE ON audit_event BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_event_delete BEFORE DELETE ON audit_event BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
-- +goose StatementEnd
