package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// writeChange writes one change's rows. Its cases are all of registry's
// changes.
func writeChange(ctx context.Context, tx *sql.Tx, change registry.Change) error {
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
		if err := exec(`DELETE FROM role_policy WHERE role_id IN (SELECT id FROM role WHERE name = $1)`, c.Name); err != nil {
			return err
		}
		return exec(`DELETE FROM role WHERE name = $1`, c.Name)
	case registry.PutCluster:
		k := c.Cluster
		return exec(`INSERT INTO cluster (name, id, region, endpoint, ca, mode, trust_accounts, bearer_max_age, tags, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (name) DO UPDATE SET id = excluded.id, region = excluded.region, endpoint = excluded.endpoint, ca = excluded.ca, mode = excluded.mode,
			trust_accounts = excluded.trust_accounts, bearer_max_age = excluded.bearer_max_age, tags = excluded.tags, created = excluded.created`,
			k.Name, k.ID, k.Region, k.Endpoint, k.CA, string(k.Mode), toJSON(k.TrustAccounts), k.BearerMaxAge.Microseconds(), toJSON(k.Tags), k.Created.UnixMicro())
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
			e.Cluster, e.PrincipalARN, e.ClusterID, e.PrincipalID, e.UUID, e.Username, toJSON(e.Groups), toJSON(e.Tags), toJSON(rowsOf(e.Policies)), e.Created.UnixMicro(), e.Modified.UnixMicro())
	case registry.DeleteEntry:
		return exec(`DELETE FROM access_entry WHERE cluster = $1 AND principal = $2`, c.Cluster, c.Principal)
	}
	return fmt.Errorf("no rows are known for %T", change)
}

func writeRole(exec func(string, ...any) error, r iam.Role) error {
	err := exec(`INSERT INTO role (id, name, path, description, max_session, trust, trust_roles, tags, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET description = excluded.description, max_session = excluded.max_session, trust = excluded.trust, trust_roles = excluded.trust_roles, tags = excluded.tags`,
		r.ID, r.Name, r.Path, r.Description, r.MaxSession.Microseconds(), string(r.Trust.Text()), toJSON(boundRows(r.Trust)), toJSON(r.Tags), r.Created.UnixMicro())
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
	return nil
}

// boundRole is a role that a trust policy names and the id it was bound to when
// the policy was saved.
type boundRole struct {
	Account arn.AccountID `json:"account"`
	Path    string        `json:"path"`
	Name    string        `json:"name"`
	ID      string        `json:"id"`
}

func boundRows(trust *policy.Document) []boundRole {
	out := []boundRole{}
	for r, id := range trust.BoundRoles() {
		out = append(out, boundRole{r.Account, r.Path, r.Name, id})
	}
	return out
}

// bindTrust reads a stored trust policy with the ids of the day it was saved.
func bindTrust(text string, rows []boundRole) (*policy.Document, error) {
	d, err := policy.Parse(policy.Trust, []byte(text))
	if err != nil {
		return nil, err
	}
	ids := map[arn.Role]string{}
	for _, r := range rows {
		ids[arn.Role{Account: r.Account, Path: r.Path, Name: r.Name}] = r.ID
	}
	return d.Bind(func(r arn.Role) (string, bool) {
		id, ok := ids[r]
		return id, ok
	})
}

// association is an associated access policy as its row holds it.
type association struct {
	Policy     string   `json:"policy"`
	Scope      string   `json:"scope"`
	Namespaces []string `json:"namespaces,omitempty"`
	Associated int64    `json:"associated"` // microseconds since the epoch
	Modified   int64    `json:"modified"`
}

func rowsOf(list []eks.Association) []association {
	out := make([]association, len(list))
	for i, a := range list {
		out[i] = association{a.PolicyARN, string(a.Scope.Type), a.Scope.Namespaces, a.Associated.UnixMicro(), a.Modified.UnixMicro()}
	}
	return out
}

func associations(rows []association) []eks.Association {
	var out []eks.Association
	for _, r := range rows {
		out = append(out, eks.Association{PolicyARN: r.Policy, Scope: eks.Scope{Type: eks.ScopeType(r.Scope), Namespaces: r.Namespaces}, Associated: fromMicro(r.Associated), Modified: fromMicro(r.Modified)})
	}
	return out
}

func fromMicro(n int64) time.Time { return time.UnixMicro(n).UTC() }

// load reads the whole configuration. A row that does not make sense fails the
// load: half a configuration is not one.
func (s *DB) load(ctx context.Context, account arn.AccountID, created time.Time) (*registry.Snapshot, error) {
	var changes []registry.Change
	for _, read := range []func(context.Context, arn.AccountID) ([]registry.Change, error){s.loadProviders, s.loadRoles, s.loadClusters, s.loadEntries} {
		more, err := read(ctx, account)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	snap := registry.New(account, created).With(changes...)
	if err := s.db.QueryRowContext(ctx, `SELECT generation FROM account`).Scan(&snap.Generation); err != nil {
		return nil, err
	}
	return snap, nil
}

// each calls scan for every row of a query.
func (s *DB) each(ctx context.Context, query string, scan func(*sql.Rows) error) error {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *DB) loadProviders(ctx context.Context, account arn.AccountID) (out []registry.Change, err error) {
	err = s.each(ctx, `SELECT url, id, client_ids, thumbprints, tags, created FROM provider`, func(r *sql.Rows) error {
		p := oidc.Provider{Account: account}
		var ids, prints, tags string
		var created int64
		if err := r.Scan(&p.URL, &p.ID, &ids, &prints, &tags, &created); err != nil {
			return err
		}
		p.Created = fromMicro(created)
		if err := fromJSON(ids, &p.ClientIDs, prints, &p.Thumbprints, tags, &p.Tags); err != nil {
			return err
		}
		out = append(out, registry.PutProvider{Provider: p})
		return nil
	})
	return out, err
}

// fromJSON decodes pairs of a text and a target.
func fromJSON(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := json.Unmarshal([]byte(pairs[i].(string)), pairs[i+1]); err != nil {
			return fmt.Errorf("a stored list: %w", err)
		}
	}
	return nil
}

func (s *DB) loadRoles(ctx context.Context, account arn.AccountID) (out []registry.Change, err error) {
	inline := map[string]map[string]*policy.Document{} // :: role id → policy name → policy
	err = s.each(ctx, `SELECT role_id, name, document FROM role_policy`, func(r *sql.Rows) error {
		var role, name, text string
		if err := r.Scan(&role, &name, &text); err != nil {
			return err
		}
		d, err := policy.Parse(policy.Permission, []byte(text))
		if err != nil {
			return fmt.Errorf("permission policy %s of role %s: %w", name, role, err)
		}
		if inline[role] == nil {
			inline[role] = map[string]*policy.Document{}
		}
		inline[role][name] = d
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = s.each(ctx, `SELECT id, name, path, description, max_session, trust, trust_roles, tags, created FROM role`, func(r *sql.Rows) error {
		role := iam.Role{Account: account}
		var trust, bound, tags string
		var maxSession, created int64
		if err := r.Scan(&role.ID, &role.Name, &role.Path, &role.Description, &maxSession, &trust, &bound, &tags, &created); err != nil {
			return err
		}
		role.Inline, role.MaxSession, role.Created = inline[role.ID], time.Duration(maxSession)*time.Microsecond, fromMicro(created)
		var ids []boundRole
		if err := fromJSON(tags, &role.Tags, bound, &ids); err != nil {
			return err
		}
		d, err := bindTrust(trust, ids)
		if err != nil {
			return fmt.Errorf("trust policy of role %s: %w", role.Name, err)
		}
		role.Trust = d
		out = append(out, registry.PutRole{Role: role})
		return nil
	})
	return out, err
}

func (s *DB) loadClusters(ctx context.Context, account arn.AccountID) (out []registry.Change, err error) {
	err = s.each(ctx, `SELECT name, id, region, endpoint, ca, mode, trust_accounts, bearer_max_age, tags, created FROM cluster`, func(r *sql.Rows) error {
		c := eks.Cluster{Account: account}
		var mode, accounts, tags string
		var age, created int64
		if err := r.Scan(&c.Name, &c.ID, &c.Region, &c.Endpoint, &c.CA, &mode, &accounts, &age, &tags, &created); err != nil {
			return err
		}
		c.Mode, c.BearerMaxAge, c.Created = eks.AuthenticationMode(mode), time.Duration(age)*time.Microsecond, fromMicro(created)
		if err := fromJSON(accounts, &c.TrustAccounts, tags, &c.Tags); err != nil {
			return err
		}
		out = append(out, registry.PutCluster{Cluster: c})
		return nil
	})
	return out, err
}

func (s *DB) loadEntries(ctx context.Context, _ arn.AccountID) (out []registry.Change, err error) {
	err = s.each(ctx, `SELECT cluster, principal, cluster_id, principal_id, uuid, username, k8s_groups, tags, policies, created, modified FROM access_entry`, func(r *sql.Rows) error {
		var e eks.AccessEntry
		var groups, tags, policies string
		var created, modified int64
		if err := r.Scan(&e.Cluster, &e.PrincipalARN, &e.ClusterID, &e.PrincipalID, &e.UUID, &e.Username, &groups, &tags, &policies, &created, &modified); err != nil {
			return err
		}
		var rows []association
		e.Created, e.Modified = fromMicro(created), fromMicro(modified)
		if err := fromJSON(groups, &e.Groups, tags, &e.Tags, policies, &rows); err != nil {
			return err
		}
		e.Policies = associations(rows)
		out = append(out, registry.PutEntry{Entry: e})
		return nil
	})
	return out, err
}
