package gitlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/vault"
	"mayfly.internal/internal/webclient"
)

// TokenSource is where a token for GitLab comes from: one of the three.
type TokenSource struct {
	File  string // holds the token, and perhaps a newline
	Env   string // name of an environment variable
	Vault string // PATH#FIELD of a secret in Vault or OpenBao: secret/ci/gitlab#token
}

// maxTokenFile bounds a token's file; tokens have some dozens of characters.
const maxTokenFile = 16 << 10

// Load reads the token. Of Vault it asks the server and as whom that
// VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE and VAULT_CACERT name; getenv is
// os.Getenv.
func (s TokenSource) Load(ctx context.Context, getenv func(string) string) (secret.String, error) {
	named := 0
	for _, v := range []string{s.File, s.Env, s.Vault} {
		if v != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return secret.String{}, errors.New("a token for GitLab comes from a file, an environment variable or Vault: one of the three")
	case s.File != "":
		text, err := readToken(s.File)
		if err != nil {
			return secret.String{}, fmt.Errorf("the token for GitLab: %w", err)
		}
		return text, nil
	case s.Vault != "":
		t, err := vaultToken(ctx, s.Vault, getenv)
		if err != nil {
			return secret.String{}, fmt.Errorf("the token for GitLab, from Vault: %w", err)
		}
		return t, nil
	}
	if strings.ContainsFunc(s.Env, func(r rune) bool {
		return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}) {
		return secret.String{}, errors.New("the name of the environment variable that holds the token for GitLab is none") // it may be the token
	}
	text := strings.TrimSpace(getenv(s.Env))
	if text == "" {
		return secret.String{}, fmt.Errorf("the environment variable %s, which should hold the token for GitLab, is not set", s.Env)
	}
	return secret.New(text), nil
}

func readToken(path string) (secret.String, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.String{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	switch text := strings.TrimSpace(string(data)); {
	case err != nil:
		return secret.String{}, err
	case len(data) > maxTokenFile:
		return secret.String{}, fmt.Errorf("%s is larger than %d bytes", path, maxTokenFile)
	case text == "":
		return secret.String{}, fmt.Errorf("%s is empty", path)
	default:
		return secret.New(text), nil
	}
}

// Rotate replaces the token where it came from, a file, through a Client that
// has it. A variable or Vault keep what they hold: they are refused.
//
// The new file is made before GitLab is asked, so that no token is lost to a
// directory that cannot be written.
func (s TokenSource) Rotate(ctx context.Context, c *Client) (Token, error) {
	switch {
	case s.Env != "":
		return Token{}, fmt.Errorf("the token comes from the environment variable %s, which cannot keep a new one: only a token from a file is rotated", s.Env)
	case s.Vault != "":
		return Token{}, fmt.Errorf("the token comes from Vault (%s), which is only read: only a token from a file is rotated", s.Vault)
	}
	path, err := filepath.EvalSymlinks(s.File)
	if err != nil {
		return Token{}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return Token{}, fmt.Errorf("nothing was rotated: %w", err)
	}
	keep := false
	defer func() {
		if !keep {
			os.Remove(f.Name()) // fails once it is renamed, as it should
		}
	}()
	value, token, err := c.Rotate(ctx)
	if err != nil {
		return Token{}, errors.Join(err, f.Close())
	}
	_, err = io.WriteString(f, value.Reveal()+"\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Token{}, fmt.Errorf("GitLab has rotated the token, the old one is dead, and the new one could not be written: make another by hand: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		keep = true
		return Token{}, fmt.Errorf("GitLab has rotated the token, and the new one lies in %s: %w", f.Name(), err)
	}
	return token, nil
}

// vaultToken reads a field of a secret, as whom VAULT_TOKEN names.
func vaultToken(ctx context.Context, from string, getenv func(string) string) (secret.String, error) {
	path, field, found := strings.Cut(from, "#")
	path = strings.Trim(path, "/")
	config := vault.Config{URL: getenv("VAULT_ADDR"), Namespace: getenv("VAULT_NAMESPACE"), UserAgent: "mayfly"}
	switch {
	case !found || path == "" || field == "":
		return secret.String{}, fmt.Errorf("%q is no PATH#FIELD, such as secret/ci/gitlab#token", from)
	case config.URL == "":
		return secret.String{}, errors.New("VAULT_ADDR is not set")
	case getenv("VAULT_TOKEN") == "":
		return secret.String{}, errors.New("VAULT_TOKEN is not set")
	}
	if file := getenv("VAULT_CACERT"); file != "" {
		var err error
		if config.Roots, err = webclient.Roots(file); err != nil {
			return secret.String{}, fmt.Errorf("VAULT_CACERT: %w", err)
		}
	}
	c, err := vault.New(config)
	if err != nil {
		return secret.String{}, fmt.Errorf("VAULT_ADDR: %w", err)
	}
	defer c.Close()
	s, err := c.With(secret.New(getenv("VAULT_TOKEN"))).Read(ctx, path, 0)
	if err != nil {
		return secret.String{}, err
	}
	f, ok := s.Field(field)
	text := strings.TrimSpace(f.Text.Reveal())
	if !ok || text == "" {
		return secret.String{}, fmt.Errorf("%s: there is no field %s that holds text", path, field)
	}
	return secret.New(text), nil
}
