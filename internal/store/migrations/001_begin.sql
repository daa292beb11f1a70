-- Schema history
-- 001  providers, roles, clusters, access entries, the audit log
--
-- Times are microseconds since the epoch, UTC. Lists are JSON.

-- +goose Up
CREATE TABLE account (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    id         TEXT    NOT NULL,
    created    BIGINT  NOT NULL,
    generation BIGINT  NOT NULL DEFAULT 1
);

CREATE TABLE provider (
    url         TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    client_ids  TEXT NOT NULL,
    thumbprints TEXT NOT NULL,
    tags        TEXT NOT NULL,
    created     BIGINT NOT NULL
);

CREATE TABLE role (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    path        TEXT NOT NULL,
    description TEXT NOT NULL,
    max_session BIGINT NOT NULL,
    trust       TEXT NOT NULL,
    trust_roles TEXT NOT NULL,
    tags        TEXT NOT NULL,
    created     BIGINT NOT NULL
);

CREATE TABLE role_policy (
    role_id  TEXT NOT NULL REFERENCES role (id),
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (role_id, name)
);

CREATE TABLE cluster (
    name           TEXT PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    region         TEXT NOT NULL,
    endpoint       TEXT NOT NULL,
    ca             BLOB NOT NULL,
    mode           TEXT NOT NULL,
    trust_accounts TEXT NOT NULL,
    bearer_max_age BIGINT NOT NULL,
    tags           TEXT NOT NULL,
    created        BIGINT NOT NULL
);

CREATE TABLE access_entry (
    cluster      TEXT NOT NULL REFERENCES cluster (name),
    principal    TEXT NOT NULL,
    cluster_id   TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    uuid         TEXT NOT NULL,
    username     TEXT NOT NULL,
    k8s_groups   TEXT NOT NULL,
    tags         TEXT NOT NULL,
    policies     TEXT NOT NULL,
    created      BIGINT NOT NULL,
    modified     BIGINT NOT NULL,
    PRIMARY KEY (cluster, principal)
);

CREATE TABLE audit_event (
    idx  INTEGER PRIMARY KEY,
    at   BIGINT NOT NULL,
    body BLOB   NOT NULL
);

CREATE TABLE audit_hash (
    idx  INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
);

CREATE TABLE audit_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    note TEXT NOT NULL
);
