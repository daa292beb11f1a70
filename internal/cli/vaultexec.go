package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/vault"
	"mayfly.internal/internal/webclient"
)

// vaultExec is a program that is run with secrets.
type vaultExec struct {
	vaultLogin
	secrets, files, templates []string // as the flags have them
	withToken                 bool

	session *vaultSession
	read    map[string]vault.Secret // :: path → what was read there
}

func newVaultExec(a *app) *cobra.Command {
	v := &vaultExec{vaultLogin: vaultLogin{app: a}, read: map[string]vault.Secret{}}
	cmd := &cobra.Command{Use: "exec [flags] -- PROGRAM [ARGUMENT…]", Short: "Run a program with secrets of Vault, in its environment or in files",
		Long: `exec logs in once, reads the secrets that are named, and runs a program that has
them: in its environment, or in files that are gone when it ends. Its signals,
streams and exit status are its own.

  --secret DB_PASSWORD=kv/my-app/db#password   that field's value
  --secret DB=kv/my-app/db                     every field: DB_USER, DB_PASSWORD, …
  --file TLS_KEY=kv/my-app/tls#key             TLS_KEY names a file that holds it
  --file DB=kv/my-app/db                       the file holds all fields, as JSON
  --template db.tmpl:config/db.conf            a file made of a template

A field's name goes into a variable's in capitals, with _ for what is no letter or
digit. Strings come as they are, numbers and truth values as they are written,
lists and objects as JSON; of null there is no variable.

A template is a text with {{secret "PATH#FIELD"}} in it, which may be put through
json, base64, unbase64 and indent N: {{secret "kv/my-app/tls#key" | indent 2}}.
Files are private (0600). What a template makes must not be there before, and is
removed when the program ends.

The Vault token is revoked before the program starts, or, where a secret is leased
and ends with it or --with-token hands it on, when the program ends: then it is
renewed as long as Vault does that. The program gets neither the ID token nor,
without --with-token, the Vault token.`,
		Example: `  mayfly vault exec --vault-role my-app --secret DB=kv/my-app/db -- ./migrate
  mayfly vault exec --vault-role my-app --secret PGPASSWORD=kv/my-app/db#password -- \
      psql -h db -U app
  mayfly vault exec --vault-role my-app --file KEY=kv/my-app/tls#key -- sh -c 'deploy --key "$KEY"'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("PROGRAM is missing")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) }}
	v.flags(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the program is its own
	f.StringArrayVar(&v.secrets, "secret", nil, "`NAME=PATH[#FIELD]` of a variable; may be repeated")
	f.StringArrayVar(&v.files, "file", nil, "`NAME=PATH[#FIELD]` of a variable that names a file; may be repeated")
	f.StringArrayVar(&v.templates, "template", nil, "`IN:OUT`: the file OUT is made of the template IN; may be repeated")
	f.BoolVar(&v.withToken, "with-token", false, "give the program the Vault token in VAULT_TOKEN, and VAULT_ADDR, VAULT_NAMESPACE and VAULT_CACERT")
	return cmd
}

// wish is a variable that is to hold a secret, or a file's name.
type wish struct{ name, path, field string }

// parseWish reads NAME=PATH#FIELD, or NAME=PATH for every field.
func parseWish(flag, text string) (wish, error) {
	name, rest, _ := strings.Cut(text, "=")
	path, field, cut := strings.Cut(rest, "#")
	if !isVariable(name) || path == "" || cut && field == "" {
		return wish{}, &usageError{fmt.Errorf("%s %q: NAME=PATH#FIELD is wanted, such as DB_PASSWORD=kv/my-app/db#password, or NAME=PATH", flag, text)}
	}
	return wish{name, path, field}, nil
}

// isVariable reports whether every shell can name a variable so (POSIX, Name).
func isVariable(name string) bool {
	return name != "" && variableWord(name) == name && (name[0] < '0' || name[0] > '9')
}

// variableWord is a text with _ for what no variable's name holds.
func variableWord(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, text)
}

// plan is what is wanted, read from the flags before anybody is asked.
type vaultPlan struct {
	secrets, files []wish
	templates      []*vaultTemplate
}

func (v *vaultExec) plan() (p vaultPlan, err error) {
	for _, text := range v.secrets {
		w, err := parseWish("--secret", text)
		if err != nil {
			return p, err
		}
		p.secrets = append(p.secrets, w)
	}
	named := map[string]bool{}
	for _, text := range v.files {
		w, err := parseWish("--file", text)
		if err != nil {
			return p, err
		}
		if named[w.name] {
			return p, &usageError{fmt.Errorf("--file: %s is named twice", w.name)}
		}
		named[w.name] = true
		p.files = append(p.files, w)
	}
	for _, text := range v.templates {
		t, err := v.parseTemplate(text)
		if err != nil {
			return p, err
		}
		p.templates = append(p.templates, t)
	}
	if len(p.secrets)+len(p.files)+len(p.templates) == 0 && !v.withToken {
		return p, &usageError{errors.New("nothing is wanted of Vault: --secret, --file, --template or --with-token")}
	}
	return p, nil
}

func (v *vaultExec) run(ctx context.Context, argv []string) error {
	p, err := v.plan()
	if err != nil {
		return err
	}
	caught, release := catchSignals()
	defer release()
	private, err := privateDir("mayfly-vault-")
	if err != nil {
		return err
	}
	defer v.remove(private)
	if v.session, err = v.open(ctx); err != nil {
		return err
	}
	defer v.session.close(ctx)
	set, err := v.gather(ctx, p, private)
	for _, t := range p.templates {
		if err == nil {
			defer t.remove(v.app)
			err = t.make(ctx, v)
		}
	}
	if err != nil {
		return err
	}
	keeping, done := context.WithCancel(context.WithoutCancel(ctx)) // a program that was asked to end may take its time
	defer done()
	v.keep(keeping)
	if ctx.Err() != nil {
		return errNotStarted
	}
	proof := v.session.proof
	leads := func(_, value string) bool { return leadsToToken(value, proof.idToken, proof.where) }
	return child{argv: argv, env: environment(os.Environ(), leads, set)}.run(v.app, caught)
}

// remove removes a private directory, or says what stays behind.
func (v *vaultExec) remove(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintf(v.stderr, "mayfly: warning: secrets stay behind in %s: %v\n", dir, err)
	}
}

// get reads what lies at a path, once.
func (v *vaultExec) get(ctx context.Context, path string) (vault.Secret, error) {
	if s, ok := v.read[path]; ok {
		return s, nil
	}
	s, err := v.session.Read(ctx, path, 0)
	if err != nil {
		return s, v.session.explain(err)
	}
	v.read[path] = s
	return s, nil
}

// gather reads what is wanted and gives the variables of the program; files lie
// in the private directory.
func (v *vaultExec) gather(ctx context.Context, p vaultPlan, private string) (map[string]string, error) {
	set := map[string]string{}
	put := func(name, value, whence string) error {
		if _, twice := lookupVariable(set, name); twice {
			return fmt.Errorf("%s: the variable %s would be set twice", whence, name)
		}
		if strings.Contains(value, "\x00") {
			return hint(fmt.Errorf("%s: its value for %s has a byte that no variable holds", whence, name), "--file hands it on in a file")
		}
		set[name] = value
		return nil
	}
	for _, w := range p.secrets {
		s, err := v.get(ctx, w.path)
		if err != nil {
			return nil, err
		}
		if err := w.variables(s, put); err != nil {
			return nil, err
		}
	}
	for _, w := range p.files {
		s, err := v.get(ctx, w.path)
		if err != nil {
			return nil, err
		}
		text, err := w.content(s)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(private, w.name)
		if err := errors.Join(put(w.name, path, w.path), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return nil, err
		}
	}
	if v.withToken {
		ca, err := absolute(v.caFile())
		if err != nil {
			return nil, err
		}
		for name, value := range map[string]string{"VAULT_TOKEN": v.session.Auth().Token.Reveal(), "VAULT_ADDR": v.address(), "VAULT_NAMESPACE": v.inNamespace(), "VAULT_CACERT": ca} {
			if value != "" {
				if err := put(name, value, "--with-token"); err != nil {
					return nil, err
				}
			}
		}
	}
	return set, nil
}

// variables puts the field that is wished for, or all of them.
func (w wish) variables(s vault.Secret, put func(name, value, whence string) error) error {
	if w.field != "" {
		text, err := fieldOf(s, w.field)
		if err != nil {
			return err
		}
		return put(w.name, text, w.path)
	}
	for _, f := range s.Fields() {
		if f.Null {
			continue
		}
		if err := put(w.name+"_"+strings.ToUpper(variableWord(f.Name)), f.Text.Reveal(), w.path); err != nil {
			return err
		}
	}
	return nil
}

// content is the field that is wished for, or all of them as JSON.
func (w wish) content(s vault.Secret) (string, error) {
	if w.field != "" {
		return fieldOf(s, w.field)
	}
	all := map[string]json.RawMessage{}
	for _, f := range s.Fields() {
		all[f.Name] = json.RawMessage(f.JSON.Reveal())
	}
	out, err := json.Marshal(all)
	return string(out), err
}

// keep ends the token where nobody needs it any more, and else renews it, and what
// is leased with it, until ctx ends.
func (v *vaultExec) keep(ctx context.Context) {
	var leased []vault.Secret
	for _, s := range v.read {
		if s.Leased() {
			leased = append(leased, s)
		}
	}
	if len(leased) == 0 && !v.withToken {
		v.session.revoke(ctx) // where it fails, it is tried once more at the end
		return
	}
	auth := v.session.Auth()
	say := func(text string) { fmt.Fprintln(v.stderr, "mayfly: warning: "+text) }
	go renewal{what: "the Vault token", ttl: auth.TTL, renewable: auth.Renewable, renew: v.session.Renew}.keep(ctx, say)
	for _, s := range leased {
		renew := func(ctx context.Context) (time.Duration, error) { return v.session.RenewLease(ctx, s.Lease) }
		go renewal{what: s.Path, ttl: s.Lease.TTL, renewable: s.Lease.Renewable, renew: renew}.keep(ctx, say)
	}
}

// renewal is something of Vault that ends unless it is renewed.
type renewal struct {
	what      string
	ttl       time.Duration // zero: it does not end
	renewable bool
	renew     func(context.Context) (time.Duration, error)
}

// renewPause is how long after a renewal that failed there is another.
const renewPause = 10 * time.Second

// keep renews it each time a third of its life is left, until ctx ends; where Vault
// does not answer, for as long as it lives. It says when there is no more to be had.
func (r renewal) keep(ctx context.Context, say func(string)) {
	if r.ttl > 0 && !r.renewable {
		say(fmt.Sprintf("%s ends in %s, and cannot be renewed", r.what, r.ttl))
	}
	if r.ttl == 0 || !r.renewable {
		return
	}
	ends, pause, told := time.Now().Add(r.ttl), r.ttl/3*2, false
	for webclient.Wait(ctx, max(pause, time.Second)) == nil {
		next, err := r.renew(ctx)
		left := time.Until(ends)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !told:
			say(fmt.Sprintf("%s ends in about %s, and was not renewed: %v", r.what, max(left, 0).Round(time.Second), err))
			fallthrough
		case err != nil:
			if told, pause = true, renewPause; left <= 0 || refused(err) {
				return
			}
			continue
		case next <= r.ttl/3+time.Second:
			say(fmt.Sprintf("%s ends in %s: Vault renews it no longer than that", r.what, next))
			return
		case told:
			say(r.what + " is renewed after all")
		}
		r.ttl, ends, pause, told = next, time.Now().Add(next), next/3*2, false
	}
}

// refused reports whether Vault has answered, and will answer the same again.
func refused(err error) bool {
	e, ok := errors.AsType[*vault.Error](err)
	return ok && e.Status < http.StatusInternalServerError && e.Status != http.StatusTooManyRequests
}
