package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/jwt"
)

// idToken is which ID token is meant: the one that is named, else that of
// MAYFLY_ID_TOKEN, of AWS_WEB_IDENTITY_TOKEN_FILE, or of the one environment
// variable that holds one; last, a person's who has signed in.
type idToken struct {
	file, env, audience string
	// signedIn is whether a person has signed in for the server that is meant; nil
	// where persons have no business.
	signedIn func() (signedIn, bool, error)

	once string // what a pipe held, which can be read no second time
}

func (t *idToken) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.file, "id-token-file", "", "`FILE` that holds the ID token")
	f.StringVar(&t.env, "id-token-env", "", "environment `VARIABLE` that holds the ID token (default $MAYFLY_ID_TOKEN, the file of $AWS_WEB_IDENTITY_TOKEN_FILE, else the one variable that holds an ID token)")
	f.StringVar(&t.audience, "audience", "", "only an ID token for this `AUDIENCE`")
}

// given reports whether a token is asked for by name.
func (t *idToken) given() bool { return t.file != "" || t.env != "" || t.audience != "" }

// find finds the token and says where. What it finds is unverified.
func (t *idToken) find() (token jwt.Unverified, text, where string, err error) {
	switch {
	case t.file != "" && t.env != "":
		return token, "", "", &usageError{errors.New("--id-token-file and --id-token-env: one of them is wanted")}
	case t.env != "" && !isVariable(t.env): // which is not repeated: it may be the token
		return token, "", "", hint(&usageError{errors.New("--id-token-env: what is named is no variable")}, "the variable's name is wanted, not what it holds: --id-token-env MAYFLY_ID_TOKEN")
	case t.env != "":
		text, where = os.Getenv(t.env), t.env
	case t.file != "":
		where = t.file
	case os.Getenv("MAYFLY_ID_TOKEN") != "":
		text, where = os.Getenv("MAYFLY_ID_TOKEN"), "MAYFLY_ID_TOKEN"
	case os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		where = os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	default:
		return t.search()
	}
	if _, err := jwt.Parse(where); err == nil {
		return token, "", "", &usageError{errors.New("--id-token-file and AWS_WEB_IDENTITY_TOKEN_FILE: the name of a file is wanted, not the token itself")}
	}
	if text == "" && where != t.env {
		if text, err = t.read(where); err != nil {
			return token, "", "", fmt.Errorf("the ID token: %w", err)
		}
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return token, "", "", &usageError{fmt.Errorf("the ID token: %s is empty", where)}
	}
	if token, err = jwt.Parse(text); err != nil {
		return token, "", "", hint(fmt.Errorf("the ID token of %s: %w", where, err), "is it that of id_tokens: in .gitlab-ci.yml? a variable of the project or group that has the same name goes before it")
	}
	if !t.fits(token) {
		return token, "", "", fmt.Errorf("the ID token of %s is for %s, not for %q", where, quoted(audienceOf(token)), t.audience)
	}
	return token, text, where, nil
}

// maxTokenFile bounds a file with an ID token, which has some kilobytes.
const maxTokenFile = 64 << 10

// read reads a file, anew each time: somebody may renew the token. What is no file
// but a pipe (<(…), /dev/stdin) is read once.
func (t *idToken) read(path string) (string, error) {
	if t.once != "" {
		return t.once, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := readAll(f, path, maxTokenFile)
	if err != nil {
		return "", err
	}
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		t.once = string(data)
	}
	return string(data), nil
}

var errNoToken = errors.New("there is no ID token")

// search looks for the one variable that holds an ID token.
func (t *idToken) search() (token jwt.Unverified, text, where string, err error) {
	found := map[string]string{} // :: token → variable
	var names []string
	for _, variable := range slices.Sorted(slices.Values(os.Environ())) {
		name, value, _ := strings.Cut(variable, "=")
		u, err := jwt.Parse(value)
		if err != nil || u.UnverifiedIssuer() == "" || len(audienceOf(u)) == 0 || !t.fits(u) || found[value] != "" {
			continue
		}
		found[value] = name
		names = append(names, fmt.Sprintf("%s (for %s)", name, quoted(audienceOf(u))))
		token, text, where = u, value, name
	}
	switch len(names) {
	case 1:
		return token, text, where, nil
	case 0:
		return t.person()
	default:
		err = hint(&usageError{errors.New("several variables hold an ID token: " + strings.Join(names, ", "))}, "name the one that is meant with --id-token-env or --audience")
	}
	return jwt.Unverified{}, "", "", err
}

// person is the ID token of somebody who has signed in.
func (t *idToken) person() (token jwt.Unverified, text, where string, err error) {
	none := &HintError{&usageError{errNoToken}, []string{"a job gets one with id_tokens: in .gitlab-ci.yml; elsewhere name it with --id-token-file or MAYFLY_ID_TOKEN"}}
	if t.signedIn == nil {
		return token, "", "", none
	}
	s, ok, err := t.signedIn()
	if err != nil {
		return token, "", "", err
	}
	if !ok && inJob() {
		return token, "", "", none
	}
	if !ok {
		return token, "", "", hint(none.Err, append(none.Hints, "a person signs in: mayfly login")...)
	}
	if !time.Now().Before(s.Expires) {
		return token, "", "", hint(fmt.Errorf("there is no ID token, and the sign-in of %s has ended", s.who()), "mayfly login signs in again")
	}
	if token, err = jwt.Parse(s.IDToken); err != nil {
		return token, "", "", fmt.Errorf("the ID token of the sign-in: %w", err)
	}
	if !t.fits(token) {
		return jwt.Unverified{}, "", "", fmt.Errorf("the ID token of the sign-in is for %s, not for %q", quoted(audienceOf(token)), t.audience)
	}
	return token, s.IDToken, "the sign-in", nil
}

// leadsToToken reports whether a variable's value holds a token, or is the name of
// the file where it was found.
func leadsToToken(value, token, where string) bool {
	return strings.Contains(value, token) || value == where
}

func (t *idToken) fits(u jwt.Unverified) bool {
	return t.audience == "" || slices.Contains(audienceOf(u), t.audience)
}

// audienceOf is aud, as the token has it.
func audienceOf(u jwt.Unverified) []string { return texts(u.UnverifiedClaim("aud")) }

// quoted is a list of others' texts.
func quoted(list []string) string {
	var out []string
	for _, text := range list {
		out = append(out, fmt.Sprintf("%q", text))
	}
	return strings.Join(out, ", ")
}
