package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
)

// execer is a transaction, as far as changes need it.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// writeChange writes one change's rows. Its cases are all of registry's
// changes.
func writeChange(ctx context.Context, tx execer, change registry.Change) error {
	exec := func(query string, args ...any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	}
	switch c := change.(type) {
	case registry.PutProvider:
		p := c.Provider
		return exec(`INSERT INTO provider (url, id, client_ids, thumbprints, tags, created) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (url) DO UPDATE SET id = excluded.id, client_ids = excluded.client_ids, thumbprints = excluded.thumbprints, tags = excluded.tags, created = excluded.created`,
			p.URL, p.ID, toJSON(p.ClientIDs), toJSON(p.Thumbprints), toJSON(p.Tags), p.Created.UnixMicro())
	case registry.DeleteProvider:
		return exec(`DELETE FROM provider WHERE url = $1`, c.URL)
	case registry.PutRole:
		return writeRole(exec, c.Role)
	case registry.DeleteRole:
		return deleteRole(exec, c.Name, "")
	case registry.PutPolicy:
		return writePolicy(exec, c.Policy)
	case registry.DeletePolicy:
		return deletePolicy(exec, c.ID)
	case registry.SetAlias:
		return exec(`UPDATE account SET alias = $1`, c.Alias)
	case registry.PutCluster:
		return writeCluster(exec, c)
	case registry.DeleteCluster:
		if err := exec(`DELETE FROM access_entry WHERE cluster = $1`, c.Name); err != nil {
			return err
		}
		return exec(`DELETE FROM cluster WHERE name = $1`, c.Name)
	case registry.PutEntry:
		e := c.Entry
		return exec(`INSERT INTO access_entry (cluster, principal, cluster_id, principal_id, uuid, username, k8s_groups, tags, policies, created, modified) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (cluster, principal) DO UPDATE SET cluster_id = excluded.cluster_id, principal_id = excluded.principal_id, uuid = excluded.uuid, username = excluded.username,
			k8s_groups = excluded.k8s_groups, tags = excluded.tags, policies = excluded.policies, created = excluded.created, modified = excluded.modified`,
			e.Cluster, e.PrincipalARN, e.ClusterID, e.PrincipalID, e.UUID, e.Username, toJSON(e.Groups), toJSON(e.Tags), toJSON(associationRows(e.Policies)), e.Created.UnixMicro(), e.Modified.UnixMicro())
	case registry.DeleteEntry:
		return exec(`DELETE FROM access_entry WHERE cluster = $1 AND principal = $2`, c.Cluster, c.Principal)
	case registry.PutAccessPolicy:
		p := c.Policy
		return exec(`INSERT INTO access_policy (name, rules, created, modified) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET rules = excluded.rules, created = excluded.created, modified = excluded.modified`,
			p.Name, toJSON(p.Rules), p.Created.UnixMicro(), p.Modified.UnixMicro())
	case registry.DeleteAccessPolicy:
		return exec(`DELETE FROM access_policy WHERE name = $1`, c.Name)
	}
	return fmt.Errorf("no rows are known for %T", change)
}

// writeRole writes a role in place of any other of its name.
func writeRole(exec func(string, ...any) error, r iam.Role) error {
	if err := deleteRole(exec, r.Name, r.ID); err != nil {
		return err
	}
	err := exec(`INSERT INTO role (id, name, path, description, max_session, trust, trust_roles, boundary, tags, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, path = excluded.path, description = excluded.description, max_session = excluded.max_session,
		trust = excluded.trust, trust_roles = excluded.trust_roles, boundary = excluded.boundary, tags = excluded.tags, created = excluded.created`,
		r.ID, r.Name, r.Path, r.Description, r.MaxSession.Microseconds(), string(r.Trust.Text()), toJSON(boundRows(r.Trust)), sql.NullString{String: r.Boundary, Valid: r.Boundary != ""}, toJSON(r.Tags), r.Created.UnixMicro())
	if err != nil {
		return err
	}
	if err := exec(`DELETE FROM role_policy WHERE role_id = $1`, r.ID); err != nil {
		return err
	}
	for name, d := range r.Inline {
		if err := exec(`INSERT INTO role_policy (role_id, name, document) VALUES ($1, $2, $3)`, r.ID, name, string(d.Text())); err != nil {
			return err
		}
	}
	if err := exec(`DELETE FROM role_attachment WHERE role_id = $1`, r.ID); err != nil {
		return err
	}
	for _, id := range r.Attached {
		if err := exec(`INSERT INTO role_attachment (role_id, policy_id) VALUES ($1, $2)`, r.ID, id); err != nil {
			return err
		}
	}
	return nil
}

// deleteRole removes the role of a name, unless it has the id to keep.
func deleteRole(exec func(string, ...any) error, name, keep string) error {
	if err := exec(`DELETE FROM role_attachment WHERE role_id IN (SELECT id FROM role WHERE lower(name) = lower($1) AND id <> $2)`, name, keep); err != nil {
		return err
	}
	if err := exec(`DELETE FROM role_policy WHERE role_id IN (SELECT id FROM role WHERE lower(name) = lower($1) AND id <> $2)`, name, keep); err != nil {
		return err
	}
	return exec(`DELETE FROM role WHERE lower(name) = lower($1) AND id <> $2`, name, keep)
}

// writePolicy writes a managed policy in place of any other of its name. The
// database refuses to drop one that a role refers to.
func writePolicy(exec func(string, ...any) error, p iam.ManagedPolicy) error {
	if err := exec(`DELETE FROM policy_version WHERE policy_id = $2 OR policy_id IN (SELECT id FROM managed_policy WHERE lower(name) = lower($1))`, p.Name, p.ID); err != nil {
		return err
	}
	if err := exec(`DELETE FROM managed_policy WHERE lower(name) = lower($1) AND id <> $2`, p.Name, p.ID); err != nil {
		return err
	}
	err := exec(`INSERT INTO managed_policy (id, name, path, description, default_version, latest_version, tags, created, updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, path = excluded.path, description = excluded.description, default_version = excluded.default_version,
		latest_version = excluded.latest_version, tags = excluded.tags, created = excluded.created, updated = excluded.updated`,
		p.ID, p.Name, p.Path, p.Description, p.Default, p.Latest, toJSON(p.Tags), p.Created.UnixMicro(), p.Updated.UnixMicro())
	if err != nil {
		return err
	}
	for _, v := range p.Versions {
		if err := exec(`INSERT INTO policy_version (policy_id, number, document, created) VALUES ($1, $2, $3, $4)`, p.ID, v.Number, string(v.Document.Text()), v.Created.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// deletePolicy removes a managed policy; the database refuses one that a role
// refers to.
func deletePolicy(exec func(string, ...any) error, id string) error {
	if err := exec(`DELETE FROM policy_version WHERE policy_id = $1`, id); err != nil {
		return err
	}
	return exec(`DELETE FROM managed_policy WHERE id = $1`, id)
}

// writeCluster writes a cluster. Entries of another one that had its name go.
func writeCluster(exec func(string, ...any) error, c registry.PutCluster) error {
	k := c.Cluster
	if err := exec(`DELETE FROM access_entry WHERE cluster = $1 AND cluster_id <> $2`, k.Name, k.ID); err != nil {
		return err
	}
	return exec(`INSERT INTO cluster (name, id, region, endpoint, ca, mode, trust_accounts, bearer_max_age, tags, updates, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (name) DO UPDATE SET id = excluded.id, region = excluded.region, endpoint = excluded.endpoint, ca = excluded.ca, mode = excluded.mode,
		trust_accounts = excluded.trust_accounts, bearer_max_age = excluded.bearer_max_age, tags = excluded.tags, updates = excluded.updates, created = excluded.created`,
		k.Name, k.ID, k.Region, k.Endpoint, k.CA, string(k.Mode), toJSON(k.TrustAccounts), k.BearerMaxAge.Microseconds(), toJSON(k.Tags), toJSON(updateRows(k.Updates)), k.Created.UnixMicro())
}

func toJSON(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic("store: " + err.Error()) // unreachable: maps and lists of strings
	}
	return string(out)
}
