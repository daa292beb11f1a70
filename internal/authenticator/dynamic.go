package authenticator

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/strictjson"
)

// lookAgain is how often a file is looked at, to see whether it changed.
const lookAgain = time.Second

// watched is what a file says, read anew while it is asked for. What cannot be
// read changes nothing; a file that is gone, or was never there, says none.
type watched[T any] struct {
	path    string // empty: there is no file
	name    string // of the metric
	config  ChainConfig
	none    T
	parse   func([]byte) (dated[T], error)
	changed func(T) // nil: nobody is told

	mu     sync.Mutex
	looked time.Time
	seen   stamp
	value  T
	known  bool // value is what the file says
	loaded bool // it was read once: what is read then was written some time
}

// dated is what a file says and when it says that it was written.
type dated[T any] struct {
	value   T
	updated string // Unix time, in seconds
}

// stamp tells versions of a file apart.
type stamp struct {
	at   time.Time
	size int64
	mode fs.FileMode
}

// get is what the file says.
func (w *watched[T]) get() T {
	if w.path == "" {
		return w.none
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.config.Now()
	if now.Sub(w.looked) >= lookAgain || w.looked.IsZero() {
		w.looked = now
		w.look(now)
	}
	if !w.known {
		return w.none
	}
	return w.value
}

// look reads the file if it changed.
func (w *watched[T]) look(now time.Time) {
	info, err := os.Stat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		if w.known {
			w.config.Log.Warn(w.name+" is gone", "path", w.path)
			w.known, w.seen = false, stamp{}
			w.tell(w.none)
		}
		return
	}
	if err != nil {
		w.failed(err)
		return
	}
	seen := stamp{info.ModTime(), info.Size(), info.Mode()}
	if seen == w.seen {
		return
	}
	data, err := readFile(w.path)
	if err != nil {
		w.failed(err)
		return
	}
	w.seen = seen // what is wrong with it is said once
	next, err := w.parse(data)
	if err != nil {
		w.failed(err)
		return
	}
	w.value, w.known = next.value, true
	w.config.Log.Info(w.name+" was read", "path", w.path)
	// The first reading tells when the server started, not when the file came.
	if at, err := strconv.ParseInt(next.updated, 10, 64); err == nil && w.loaded && !now.Before(time.Unix(at, 0)) {
		w.config.Observe.Loaded(w.name, now.Sub(time.Unix(at, 0)))
	}
	w.loaded = true
	w.tell(w.value)
}

func (w *watched[T]) tell(value T) {
	if w.changed != nil {
		w.changed(value)
	}
}

func (w *watched[T]) failed(err error) {
	w.config.Observe.FileFailed()
	w.config.Log.Error(w.name+" cannot be read; what it said before counts", "path", w.path, "why", err)
}

// parseBackendMode reads the file of dynamicBackendModePath: JSON with a text of
// modes, blanks between them.
func parseBackendMode(data []byte) (dated[[]Mode], error) {
	v, err := object(data)
	if err != nil {
		return dated[[]Mode]{}, err
	}
	names, _ := field(v, "backendMode").Text()
	m, err := parseModes(strings.Fields(names))
	if err != nil {
		return dated[[]Mode]{}, fmt.Errorf("backendMode: %w", err)
	}
	return dated[[]Mode]{m, textOf(field(v, "LastUpdatedDateTime"))}, nil
}

// parseDynamicFile reads the file of dynamicfilepath. An entry without what it
// is found by makes the whole file one that cannot be read, as in the original;
// one that eks.CheckMapping refuses is dropped and logged.
func parseDynamicFile(data []byte, byID bool, log *slog.Logger) (dated[eks.Mappings], error) {
	v, err := object(data)
	if err != nil {
		return dated[eks.Mappings]{}, err
	}
	out := eks.Mappings{ByID: byID}
	for _, list := range []struct {
		key, arn string
		into     *[]eks.Mapping
	}{{"mapRoles", "rolearn", &out.Roles}, {"mapUsers", "userarn", &out.Users}} {
		items := field(v, list.key)
		if err := wantList(items, list.key); err != nil {
			return dated[eks.Mappings]{}, err
		}
		for i, item := range items.Items() {
			m, err := dynamicMapping(item, list.arn, byID)
			if err != nil {
				return dated[eks.Mappings]{}, fmt.Errorf("%s[%d]: %w", list.key, i, err)
			}
			if err := eks.CheckMapping(m); err != nil {
				log.Warn("dynamic_file entry", "key", list.key, "entry", i+1, "dropped", true, "why", err)
				continue
			}
			*list.into = append(*list.into, m)
		}
	}
	accounts := field(v, "mapAccounts")
	if err := wantList(accounts, "mapAccounts"); err != nil {
		return dated[eks.Mappings]{}, err
	}
	for i, item := range accounts.Items() {
		account, err := arn.ParseAccountID(textOf(item))
		if err != nil {
			return dated[eks.Mappings]{}, fmt.Errorf("mapAccounts[%d]: %w", i, err)
		}
		out.Accounts = append(out.Accounts, string(account))
	}
	return dated[eks.Mappings]{out, textOf(field(v, "LastUpdatedDateTime"))}, nil
}

// dynamicMapping is one entry of a dynamic file.
func dynamicMapping(v strictjson.Value, arnField string, byID bool) (eks.Mapping, error) {
	if v.Kind() != strictjson.Object {
		return eks.Mapping{}, errors.New("it is not an object")
	}
	if field(v, "sso").Kind() == strictjson.Object {
		return eks.Mapping{}, errors.New("it is for AWS's single sign-on, which is not supported: name the role, arn:aws:iam::ACCOUNT:role/AWSReservedSSO_…")
	}
	m := eks.Mapping{ARN: textOf(field(v, arnField)), UserID: textOf(field(v, "userid")), Username: textOf(field(v, "username"))}
	if err := wantList(field(v, "groups"), "groups"); err != nil {
		return eks.Mapping{}, err
	}
	for _, g := range field(v, "groups").Items() {
		m.Groups = append(m.Groups, textOf(g))
	}
	switch {
	case byID && m.UserID == "":
		return eks.Mapping{}, errors.New("it has no userid, by which dynamicfileUserIDStrict finds it")
	case !byID && m.ARN == "":
		return eks.Mapping{}, fmt.Errorf("it has no %s", arnField)
	}
	return m, nil
}

func wantList(v strictjson.Value, name string) error {
	if k := v.Kind(); k != strictjson.Array && k != strictjson.Missing && k != strictjson.Null {
		return fmt.Errorf("%s is not a list", name)
	}
	return nil
}

// object reads a JSON object.
func object(data []byte) (strictjson.Value, error) {
	v, err := strictjson.Parse(data)
	if err == nil && v.Kind() != strictjson.Object {
		err = errors.New("it is not a JSON object")
	}
	return v, err
}

// field is a member by its name, without regard to case as the original's JSON
// reader has it. Two names that differ in case alone: the first.
func field(v strictjson.Value, name string) strictjson.Value {
	for _, m := range v.Members() {
		if strings.EqualFold(m.Name, name) {
			return m.Value
		}
	}
	return strictjson.Value{}
}

func textOf(v strictjson.Value) string {
	s, _ := v.Text()
	return s
}
