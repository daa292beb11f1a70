package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mayfly.internal/internal/webclient"
)

// signedIn is what a sign-in leaves behind: the ID token, and whose it is. It lies
// in the user's cache directory, which systems neither back up nor carry to other
// machines; losing it costs a sign-in. It is a file, not a system's keyring: what
// may read the one may ask the other, and the token ends within minutes.
type signedIn struct {
	Server   string    `json:"server"`
	Issuer   string    `json:"issuer"`
	ClientID string    `json:"client_id"`
	Subject  string    `json:"subject"`
	Login    string    `json:"login,omitempty"`
	Expires  time.Time `json:"expires"`
	IDToken  string    `json:"id_token,omitempty"` // in the file alone
}

// loginProvider is where the people of a server sign in. It is no secret and lies
// in the user's configuration directory.
type loginProvider struct {
	Server   string `json:"server"`
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	CAFile   string `json:"issuer_ca_file,omitempty"`
}

// maxLoginFile bounds both files; an ID token has 20 000 characters at most.
const maxLoginFile = 64 << 10

// loginFile is the path of a server's file below a directory of the user's, named
// so that no server's URL can choose it.
func loginFile(dir func() (string, error), server string) (string, error) {
	base, err := dir()
	if err != nil {
		return "", hint(fmt.Errorf("where a sign-in is kept: %w", err), "set HOME, or XDG_CACHE_HOME and XDG_CONFIG_HOME")
	}
	sum := sha256.Sum256([]byte(server))
	return filepath.Join(base, "mayfly", "login", hex.EncodeToString(sum[:16])+".json"), nil
}

// loginServer is the server that is meant, in the one form that is looked up.
func (a *app) loginServer() (string, error) {
	text, err := a.serverURL()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return "", &usageError{fmt.Errorf("%q is no URL of a server, such as https://mayfly.example.com", webclient.Named(text))}
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), nil
}

// readLogin reads a file of a sign-in into a value; there may be none.
func readLogin(path string, into any) (found bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	switch {
	case err != nil:
		return false, err
	case !mineAlone(info):
		return false, hint(fmt.Errorf("%s is not a file of yours alone (%v): nothing of it is used", path, info.Mode()), "if nobody else has written it, remove it and sign in again: mayfly login")
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return false, fmt.Errorf("%s was replaced as it was read: try again", path)
	}
	data, err := readAll(f, path, maxLoginFile)
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, hint(fmt.Errorf("%s is not what this version writes", path), "remove it and sign in again: mayfly login")
	}
	return true, nil
}

// loginFiles are the files of a server's sign-in: where to sign in, and the sign-in.
func loginFiles(server string) (remember, keep string, err error) {
	remember, err1 := loginFile(os.UserConfigDir, server)
	keep, err2 := loginFile(os.UserCacheDir, server)
	return remember, keep, cmp.Or(err1, err2)
}

// prepareLogin sees whether a sign-in could be kept, before somebody signs in for
// nothing.
func prepareLogin(server string) error {
	remember, keep, err := loginFiles(server)
	if err != nil {
		return err
	}
	for _, path := range []string{remember, keep} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := mayReplace(path); err != nil {
			return err
		}
	}
	return nil
}

// keepLogin writes both files.
func keepLogin(at loginProvider, s signedIn) error {
	remember, keep, err := loginFiles(at.Server)
	if err != nil {
		return err
	}
	return errors.Join(writeLogin(remember, at), writeLogin(keep, s))
}

// writeLogin writes a private file, in a private directory, whole or not at all:
// two that sign in at once each leave a whole one.
func writeLogin(path string, value any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return replaceFile(path, string(data)+"\n")
}

// signedIn is the sign-in for the server that is meant; ok is false where there is
// none. In a job there is none: a runner's home may be a person's, and the job
// must not act as that person.
func (a *app) signedIn() (s signedIn, ok bool, err error) {
	server, err := a.loginServer()
	if err != nil || inJob() || a.realAWS() {
		return signedIn{}, false, nil // nobody signs in for AWS, or for no server
	}
	path, err := loginFile(os.UserCacheDir, server)
	if err != nil {
		return signedIn{}, false, nil // without a home nobody has signed in
	}
	if ok, err = readLogin(path, &s); err != nil || !ok {
		return signedIn{}, false, err
	}
	if s.Server != server {
		return signedIn{}, false, fmt.Errorf("%s is of the server %s", path, s.Server)
	}
	return s, true, nil
}

// inJob reports whether this is a job of GitLab's (its predefined variables).
func inJob() bool { return os.Getenv("GITLAB_CI") != "" || os.Getenv("CI_JOB_ID") != "" }
