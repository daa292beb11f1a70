package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

// Profile is what a profile of AWS's shared files says.
type Profile struct {
	Credentials sigv4.Credentials
	Expires     time.Time // of the credentials; the zero time: not known
	Region      string    // empty: not said
	CAFile      string    // ca_bundle; empty: not said
	// Endpoint is the setting that names another server than AWS's own, with its
	// value; empty: none does.
	Endpoint string
}

// ProfileFiles are AWS's shared files; one that is missing is empty.
type ProfileFiles struct{ Credentials, Config string }

// FindProfileFiles are the files AWS's own clients read.
func FindProfileFiles(getenv func(string) string) ProfileFiles {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // then they are looked for where we stand, as the clients do
	}
	return ProfileFiles{
		Credentials: cmp.Or(getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials")),
		Config:      cmp.Or(getenv("AWS_CONFIG_FILE"), filepath.Join(home, ".aws", "config")),
	}
}

// ErrNoProfile is of a profile that neither file has.
var ErrNoProfile = errors.New("there is no such profile")

// UnsupportedError is of a profile that gets its credentials in a way that is not
// known here.
type UnsupportedError struct{ Profile, Setting string }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("the profile %s gets its credentials by %s, which mayfly does not follow", e.Profile, e.Setting)
}

// unsupported are the settings by which AWS's own clients get credentials from
// elsewhere, before they look for keys in the files.
var unsupported = []string{"role_arn", "source_profile", "credential_source", "web_identity_token_file", "sso_session", "sso_start_url", "sso_account_id", "login_session"}

// LoadProfile reads a profile: its keys, or those that its credential_process
// prints. (AWS SDKs and Tools Reference Guide, "Shared config and credentials
// files".)
func LoadProfile(ctx context.Context, files ProfileFiles, name string, now time.Time) (Profile, error) {
	config, err := readSections(files.Config)
	if err != nil {
		return Profile{}, err
	}
	keys, err := readSections(files.Credentials)
	if err != nil {
		return Profile{}, err
	}
	said, found := config["profile "+name], config["profile "+name] != nil
	if name == "default" && !found {
		said, found = config[name], config[name] != nil
	}
	if !found && keys[name] == nil {
		return Profile{}, fmt.Errorf("%s: %w in %s and %s", name, ErrNoProfile, files.Config, files.Credentials)
	}
	either := func(key string) string { return cmp.Or(keys[name][key], said[key]) }
	for _, setting := range unsupported {
		if either(setting) != "" {
			return Profile{}, &UnsupportedError{name, setting}
		}
	}
	p := Profile{Region: either("region"), CAFile: either("ca_bundle")}
	for _, setting := range []string{"endpoint_url", "services"} {
		if v := either(setting); v != "" && p.Endpoint == "" {
			p.Endpoint = setting + " = " + v
		}
	}
	switch { // in the order of AWS's clients
	case keys[name]["aws_access_key_id"] != "":
		p.Credentials, err = staticKeys(keys[name])
	case either("credential_process") != "":
		p.Credentials, err = runProcess(ctx, either("credential_process"), now)
	case said["aws_access_key_id"] != "":
		p.Credentials, err = staticKeys(said)
	default:
		err = errors.New("it has no aws_access_key_id and no credential_process")
	}
	if err != nil {
		return Profile{}, fmt.Errorf("the profile %s: %w", name, err)
	}
	return p, nil
}

func staticKeys(s section) (sigv4.Credentials, error) {
	if s["aws_secret_access_key"] == "" {
		return sigv4.Credentials{}, errors.New("it has an aws_access_key_id and no aws_secret_access_key")
	}
	return sigv4.Credentials{AccessKeyID: s["aws_access_key_id"], SecretKey: secret.New(s["aws_secret_access_key"]), SessionToken: s["aws_session_token"]}, nil
}

// section is the settings of a section by name, in small letters.
type section map[string]string

// maxProfileFile bounds one of the shared files.
const maxProfileFile = 1 << 20

func readSections(file string) (map[string]section, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProfileFile+1))
	if err == nil && len(text) > maxProfileFile {
		err = fmt.Errorf("it is larger than %d bytes", maxProfileFile)
	}
	var out map[string]section
	if err == nil {
		out, err = parseSections(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return out, nil
}

// parseSections reads a file of the shared files' form. A line that begins with a
// space belongs to the setting above it: nothing that is read here has such. No
// error repeats a line: it may hold a key.
func parseSections(text []byte) (map[string]section, error) {
	out := map[string]section{}
	var in section
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	lines.Buffer(nil, maxProfileFile+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), " \t\r")
		if line == "" || strings.ContainsRune("#; \t", rune(line[0])) {
			continue
		}
		if line[0] == '[' {
			name, closed := strings.CutSuffix(line[1:], "]")
			name = sectionName(name)
			if !closed || name == "" || out[name] != nil {
				return nil, fmt.Errorf("line %d: a section's name is wanted between [ and ], and each once", n)
			}
			in = section{}
			out[name] = in
			continue
		}
		key, value, found := strings.Cut(line, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if _, twice := in[key]; !found || key == "" || in == nil || twice {
			return nil, fmt.Errorf("line %d: NAME = VALUE is wanted, below a section, and each once", n)
		}
		in[key] = strings.TrimSpace(value)
	}
	return out, lines.Err()
}

// sectionName is a section's name without quotes, one space between its words.
func sectionName(text string) string {
	words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(text))
	return strings.Join(words, " ")
}

// What a credential_process may take and print.
const (
	processTime   = time.Minute
	maxProcessOut = 64 << 10
)

// runProcess runs a credential_process, without a shell, and reads the keys it
// prints. (AWS SDKs and Tools Reference Guide, "Process credential provider".)
func runProcess(ctx context.Context, command string, now time.Time) (sigv4.Credentials, error) {
	words, err := splitWords(command)
	if err != nil {
		return sigv4.Credentials{}, fmt.Errorf("credential_process: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, processTime)
	defer stop()
	p := exec.CommandContext(ctx, words[0], words[1:]...)
	var out, said bytes.Buffer
	p.Stdout, p.Stderr, p.WaitDelay = &bounded{&out, maxProcessOut}, &bounded{&said, 1 << 10}, time.Second
	if err := p.Run(); err != nil {
		return sigv4.Credentials{}, fmt.Errorf("credential_process: %s: %w: %s", words[0], err, strings.TrimSpace(said.String()))
	}
	c, err := parseProcess(out.Bytes(), now)
	if err != nil {
		return sigv4.Credentials{}, fmt.Errorf("credential_process: %s: %w", words[0], err)
	}
	return c, nil
}

// bounded keeps the beginning of what is written.
type bounded struct {
	to   *bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.left)
	b.left -= keep
	b.to.Write(p[:keep])
	return len(p), nil
}

// parseProcess reads what a credential_process prints.
func parseProcess(text []byte, now time.Time) (sigv4.Credentials, error) {
	var out struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      time.Time
	}
	switch err := json.Unmarshal(text, &out); {
	case err != nil:
		return sigv4.Credentials{}, errors.New("it printed no JSON of the form that is wanted") // the error may hold a key
	case out.Version != 1:
		return sigv4.Credentials{}, fmt.Errorf("it printed Version %d, and 1 is known", out.Version)
	case out.AccessKeyID == "" || out.SecretAccessKey == "":
		return sigv4.Credentials{}, errors.New("it printed no AccessKeyId or no SecretAccessKey")
	case !out.Expiration.IsZero() && !now.Before(out.Expiration):
		return sigv4.Credentials{}, errors.New("the credentials it printed have expired")
	}
	return sigv4.Credentials{AccessKeyID: out.AccessKeyID, SecretKey: secret.New(out.SecretAccessKey), SessionToken: out.SessionToken}, nil
}

// splitWords takes a command line apart as a shell does, which AWS's clients do
// not run either: at spaces outside quotes, a backslash before what stands for
// itself.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	quote, open, escaped := rune(0), false, false
	for _, c := range text {
		switch {
		case escaped:
			if quote == '"' && c != '"' && c != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, open = true, true
		case c == quote && quote != 0:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case c == ' ' || c == '\t':
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(c)
			open = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed")
	}
	if open {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("it names no program")
	}
	return words, nil
}
