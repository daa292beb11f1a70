package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// loadSnapshot reads the whole configuration. A row that does not make sense
// fails the load: half a configuration is not one.
func loadSnapshot(ctx context.Context, db *sql.DB) (*registry.Snapshot, error) {
	var id, alias string
	var created, generation int64
	switch err := db.QueryRowContext(ctx, `SELECT id, alias, created, generation FROM account`).Scan(&id, &alias, &created, &generation); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, errors.New("the database holds no account: it is empty, or not Mayfly's")
	case err != nil:
		return nil, err
	}
	account, err := arn.ParseAccountID(id)
	if err != nil {
		return nil, err
	}
	changes := []registry.Change{registry.SetAlias{Alias: alias}}
	for _, read := range []func(context.Context, *sql.DB, arn.AccountID) ([]registry.Change, error){loadProviders, loadPolicies, loadRoles, loadAccessPolicies, loadClusters, loadEntries} {
		more, err := read(ctx, db, account)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	snap := registry.Restore(account, fromMicro(created), generation, changes...)
	return snap, refersToPolicies(snap)
}

// refersToPolicies refuses roles that refer to a managed policy there is not:
// what it denied would be allowed.
func refersToPolicies(snap *registry.Snapshot) error {
	for _, r := range snap.Roles() {
		refers := r.Attached
		if r.Boundary != "" {
			refers = append(slices.Clone(refers), r.Boundary)
		}
		for _, id := range refers {
			if p, ok := snap.Policy(id); !ok || p.Document() == nil {
				return fmt.Errorf("role %s: there is no managed policy %s", r.Name, id)
			}
		}
	}
	return nil
}

// each calls scan for every row of a query.
func each(ctx context.Context, db *sql.DB, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
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

// fromJSON decodes pairs of a text and a target.
func fromJSON(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := json.Unmarshal([]byte(pairs[i].(string)), pairs[i+1]); err != nil {
			return fmt.Errorf("a stored list: %w", err)
		}
	}
	return nil
}

func fromMicro(n int64) time.Time { return time.UnixMicro(n).UTC() }

func loadProviders(ctx context.Context, db *sql.DB, account arn.AccountID) (out []registry.Change, err error) {
	err = each(ctx, db, func(r *sql.Rows) error {
		p := oidc.Provider{Account: account}
		var ids, prints, tags string
		var created int64
		if err := r.Scan(&p.URL, &p.ID, &ids, &prints, &tags, &created); err != nil {
			return err
		}
		p.Created = fromMicro(created)
		if err := fromJSON(ids, &p.ClientIDs, prints, &p.Thumbprints, tags, &p.Tags); err != nil {
			return fmt.Errorf("provider %s: %w", p.URL, err)
		}
		out = append(out, registry.PutProvider{Provider: p})
		return nil
	}, `SELECT url, id, client_ids, thumbprints, tags, created FROM provider`)
	return out, err
}

func loadRoles(ctx context.Context, db *sql.DB, account arn.AccountID) (out []registry.Change, err error) {
	inline, err := loadInline(ctx, db)
	if err != nil {
		return nil, err
	}
	attached, err := loadAttached(ctx, db)
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, func(r *sql.Rows) error {
		role := iam.Role{Account: account}
		var trust, bound, tags string
		var boundary sql.NullString
		var maxSession, created int64
		if err := r.Scan(&role.ID, &role.Name, &role.Path, &role.Description, &maxSession, &trust, &bound, &boundary, &tags, &created); err != nil {
			return err
		}
		if role.ID == iam.AdminID || strings.EqualFold(role.Name, iam.AdminName) {
			return fmt.Errorf("a stored role takes the place of %s", iam.AdminName)
		}
		if boundary.Valid && boundary.String == "" {
			return fmt.Errorf("role %s: its permissions boundary has no id", role.Name)
		}
		role.Inline, role.Attached, role.Boundary = inline[role.ID], attached[role.ID], boundary.String
		role.MaxSession, role.Created = time.Duration(maxSession)*time.Microsecond, fromMicro(created)
		var ids []boundRole
		if err := fromJSON(tags, &role.Tags, bound, &ids); err != nil {
			return fmt.Errorf("role %s: %w", role.Name, err)
		}
		if role.Trust, err = bindTrust(trust, ids); err != nil {
			return fmt.Errorf("trust policy of role %s: %w", role.Name, err)
		}
		out = append(out, registry.PutRole{Role: role})
		return nil
	}, `SELECT id, name, path, description, max_session, trust, trust_roles, boundary, tags, created FROM role`)
	return out, err
}

// loadInline reads the permission policies :: role id → policy name → policy.
func loadInline(ctx context.Context, db *sql.DB) (map[string]map[string]*policy.Document, error) {
	inline := map[string]map[string]*policy.Document{}
	err := each(ctx, db, func(r *sql.Rows) error {
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
	}, `SELECT role_id, name, document FROM role_policy`)
	return inline, err
}

// loadAttached reads which managed policies roles have :: role id → policy ids.
func loadAttached(ctx context.Context, db *sql.DB) (map[string][]string, error) {
	attached := map[string][]string{}
	err := each(ctx, db, func(r *sql.Rows) error {
		var role, id string
		if err := r.Scan(&role, &id); err != nil {
			return err
		}
		attached[role] = append(attached[role], id)
		return nil
	}, `SELECT role_id, policy_id FROM role_attachment ORDER BY role_id, policy_id`)
	return attached, err
}

func loadPolicies(ctx context.Context, db *sql.DB, account arn.AccountID) (out []registry.Change, err error) {
	versions, err := loadVersions(ctx, db)
	if err != nil {
		return nil, err
	}
	err = each(ctx, db, func(r *sql.Rows) error {
		p := iam.ManagedPolicy{Account: account}
		var tags string
		var created, updated int64
		if err := r.Scan(&p.ID, &p.Name, &p.Path, &p.Description, &p.Default, &p.Latest, &tags, &created, &updated); err != nil {
			return err
		}
		p.Versions, p.Created, p.Updated = versions[p.ID], fromMicro(created), fromMicro(updated)
		if err := fromJSON(tags, &p.Tags); err != nil {
			return fmt.Errorf("managed policy %s: %w", p.Name, err)
		}
		if p.Document() == nil || p.Latest < p.Versions[len(p.Versions)-1].Number {
			return fmt.Errorf("managed policy %s: its versions are not those it had", p.Name)
		}
		out = append(out, registry.PutPolicy{Policy: p})
		return nil
	}, `SELECT id, name, path, description, default_version, latest_version, tags, created, updated FROM managed_policy`)
	return out, err
}

// loadVersions reads the versions of managed policies :: policy id → versions,
// by number.
func loadVersions(ctx context.Context, db *sql.DB) (map[string][]iam.PolicyVersion, error) {
	versions := map[string][]iam.PolicyVersion{}
	err := each(ctx, db, func(r *sql.Rows) error {
		var id, text string
		var v iam.PolicyVersion
		var created int64
		if err := r.Scan(&id, &v.Number, &text, &created); err != nil {
			return err
		}
		var err error
		if v.Document, err = policy.Parse(policy.Managed, []byte(text)); err != nil {
			return fmt.Errorf("version %d of managed policy %s: %w", v.Number, id, err)
		}
		v.Created = fromMicro(created)
		versions[id] = append(versions[id], v)
		return nil
	}, `SELECT policy_id, number, document, created FROM policy_version ORDER BY policy_id, number`)
	return versions, err
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

func loadAccessPolicies(ctx context.Context, db *sql.DB, account arn.AccountID) (out []registry.Change, err error) {
	err = each(ctx, db, func(r *sql.Rows) error {
		p := &eks.AccessPolicy{}
		var rules string
		var created, modified int64
		if err := r.Scan(&p.Name, &rules, &created, &modified); err != nil {
			return err
		}
		p.ARN, p.Created, p.Modified = eks.AccessPolicyARN(account, p.Name), fromMicro(created), fromMicro(modified)
		if err := errors.Join(fromJSON(rules, &p.Rules), eks.CheckAccessPolicyName(p.Name), eks.CheckRules(p.Rules)); err != nil {
			return fmt.Errorf("access policy %s: %w", p.Name, err)
		}
		out = append(out, registry.PutAccessPolicy{Policy: p})
		return nil
	}, `SELECT name, rules, created, modified FROM access_policy`)
	return out, err
}

func loadClusters(ctx context.Context, db *sql.DB, account arn.AccountID) (out []registry.Change, err error) {
	err = each(ctx, db, func(r *sql.Rows) error {
		c := eks.Cluster{Account: account}
		var mode, accounts, tags, updates string
		var age, created int64
		if err := r.Scan(&c.Name, &c.ID, &c.Region, &c.Endpoint, &c.CA, &mode, &accounts, &age, &tags, &updates, &created); err != nil {
			return err
		}
		c.Mode, c.BearerMaxAge, c.Created = eks.AuthenticationMode(mode), time.Duration(age)*time.Microsecond, fromMicro(created)
		var rows []update
		if err := fromJSON(accounts, &c.TrustAccounts, tags, &c.Tags, updates, &rows); err != nil {
			return fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		for _, u := range rows {
			c.Updates = append(c.Updates, eks.Update{ID: u.ID, Mode: eks.AuthenticationMode(u.Mode), Created: fromMicro(u.Created)})
		}
		if !c.Mode.Entries() && !c.Mode.ConfigMap() {
			return fmt.Errorf("cluster %s: the authentication mode %q is not known", c.Name, mode)
		}
		out = append(out, registry.PutCluster{Cluster: c})
		return nil
	}, `SELECT name, id, region, endpoint, ca, mode, trust_accounts, bearer_max_age, tags, updates, created FROM cluster`)
	return out, err
}

// update is an update of a cluster as its row holds it.
type update struct {
	ID      string `json:"id"`
	Mode    string `json:"mode"`
	Created int64  `json:"created"` // microseconds since the epoch
}

func updateRows(list []eks.Update) []update {
	out := make([]update, len(list))
	for i, u := range list {
		out[i] = update{u.ID, string(u.Mode), u.Created.UnixMicro()}
	}
	return out
}

func loadEntries(ctx context.Context, db *sql.DB, _ arn.AccountID) (out []registry.Change, err error) {
	err = each(ctx, db, func(r *sql.Rows) error {
		var e eks.AccessEntry
		var groups, tags, policies string
		var created, modified int64
		if err := r.Scan(&e.Cluster, &e.PrincipalARN, &e.ClusterID, &e.PrincipalID, &e.UUID, &e.Username, &groups, &tags, &policies, &created, &modified); err != nil {
			return err
		}
		e.Created, e.Modified = fromMicro(created), fromMicro(modified)
		var rows []association
		if err := fromJSON(groups, &e.Groups, tags, &e.Tags, policies, &rows); err != nil {
			return fmt.Errorf("access entry of %s in %s: %w", e.PrincipalARN, e.Cluster, err)
		}
		e.Policies = associations(rows)
		out = append(out, registry.PutEntry{Entry: e})
		return nil
	}, `SELECT e.cluster, e.principal, e.cluster_id, e.principal_id, e.uuid, e.username, e.k8s_groups, e.tags, e.policies, e.created, e.modified FROM access_entry e`)
	return out, err
}

// association is an associated access policy as its row holds it.
type association struct {
	Policy     string   `json:"policy"`
	Scope      string   `json:"scope"`
	Namespaces []string `json:"namespaces,omitempty"`
	Associated int64    `json:"associated"` // microseconds since the epoch
	Modified   int64    `json:"modified"`
}

func associationRows(list []eks.Association) []association {
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
