package awsauth

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
)

// note is something to be said of a ConfigMap.
type note struct {
	Key     string // mapRoles, mapUsers, mapAccounts
	Entry   int    // counted from 1; 0: the key as a whole
	Dropped bool   // it maps nobody; else it counts as far as it goes
	Detail  string
}

// maxNotes bounds what is said of one ConfigMap.
const maxNotes = 50

// parse reads the data of an aws-auth ConfigMap as aws-iam-authenticator does
// (pkg/mapper/configmap ParseMap): a key that is no YAML list is empty, an entry
// that is none is dropped, and neither costs the others anything. The keys are
// compared exactly, the names inside an entry without regard to case; a field of
// the wrong kind counts as left out. Two entries of one ARN both stay, and the
// later counts.
//
// It drops more than the original does: what eks.CheckMapping refuses, entries
// for AWS's single sign-on, which the original matches only behind a feature
// gate, entries that name a field twice, and YAML aliases, whose expansion has
// no bound.
func parse(data map[string]string) (eks.Mappings, []note) {
	var p parser
	m := eks.Mappings{Roles: p.mappings(data, "mapRoles", "rolearn"), Users: p.mappings(data, "mapUsers", "userarn"), Accounts: p.accounts(data, "mapAccounts")}
	return m, p.notes
}

type parser struct {
	notes []note
	key   string
	entry int
}

func (p *parser) note(dropped bool, format string, args ...any) {
	if len(p.notes) < maxNotes {
		p.notes = append(p.notes, note{p.key, p.entry, dropped, fmt.Sprintf(format, args...)})
	}
}

// list is the items of a key's YAML list.
func (p *parser) list(data map[string]string, key string) []*yaml.Node {
	p.key, p.entry = key, 0
	// The original skips these as empty, quotes of any kind included.
	if t := strings.TrimSpace(data[key]); t == "" || t == "``" || t == `""` || t == "''" {
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(data[key]), &doc); err != nil {
		p.note(true, "it is not YAML: %s", clip(err.Error()))
		return nil
	}
	if len(doc.Content) != 1 || isNull(doc.Content[0]) {
		return nil
	}
	if doc.Content[0].Kind != yaml.SequenceNode {
		p.note(true, "it is not a YAML list")
		return nil
	}
	return doc.Content[0].Content
}

// mappings are the entries of a key that map somebody.
func (p *parser) mappings(data map[string]string, key, arnField string) []eks.Mapping {
	var out []eks.Mapping
	for i, n := range p.list(data, key) {
		p.entry = i + 1
		m, ok := p.mapping(n, arnField)
		if !ok {
			continue
		}
		if err := eks.CheckMapping(m); err != nil {
			p.note(true, "%v", err)
			continue
		}
		if why := m.NeverMatches(); why != "" {
			p.note(false, "%s", why)
		}
		out = append(out, m)
	}
	return out
}

// ParseMapping reads one entry of a list of mappings, whose ARN is in the field
// of a name in lower case. What is to be said of it is said in sentences; with
// none it is a mapping that eks.CheckMapping takes.
func ParseMapping(n *yaml.Node, arnField string) (eks.Mapping, []string) {
	var p parser
	m, ok := p.mapping(n, arnField)
	if ok {
		if err := eks.CheckMapping(m); err != nil {
			p.note(true, "%v", err)
		} else if why := m.NeverMatches(); why != "" {
			p.note(true, "%s", why)
		}
	}
	var said []string
	for _, n := range p.notes {
		said = append(said, n.Detail)
	}
	if len(said) > 0 {
		return eks.Mapping{}, said
	}
	return m, nil
}

func (p *parser) mapping(n *yaml.Node, arnField string) (eks.Mapping, bool) {
	if n.Kind != yaml.MappingNode {
		p.note(true, "it is not a YAML mapping")
		return eks.Mapping{}, false
	}
	fields := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := strings.ToLower(n.Content[i].Value)
		if fields[name] != nil {
			p.note(true, "it names %q twice", clip(name))
			return eks.Mapping{}, false
		}
		fields[name] = n.Content[i+1]
	}
	if sso := fields["sso"]; sso != nil && !isNull(sso) {
		p.note(true, "it is for AWS's single sign-on, which vouches for nobody here")
		return eks.Mapping{}, false
	}
	m := eks.Mapping{ARN: p.text(fields[arnField], arnField), Username: p.text(fields["username"], "username"), Groups: p.texts(fields["groups"], "groups")}
	if m.ARN == "" {
		p.note(true, "it has no %s", arnField)
		return eks.Mapping{}, false
	}
	return m, true
}

// accounts are the account ids of a key. An unquoted number keeps its text,
// leading zeros and all.
func (p *parser) accounts(data map[string]string, key string) []string {
	var out []string
	for i, n := range p.list(data, key) {
		p.entry = i + 1
		account, err := arn.ParseAccountID(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			p.note(true, "it is not an account id of twelve digits")
			continue
		}
		out = append(out, string(account))
	}
	return out
}

// text is a field's text, "" if it is left out or of another kind.
func (p *parser) text(n *yaml.Node, field string) string {
	switch {
	case n == nil || isNull(n):
		return ""
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		p.note(false, "%s is not text, so it counts as left out; put it in quotes", field)
		return ""
	}
	return n.Value
}

// texts are a field's items that are text.
func (p *parser) texts(n *yaml.Node, field string) []string {
	switch {
	case n == nil || isNull(n):
		return nil
	case n.Kind != yaml.SequenceNode:
		p.note(false, "%s is not a list, so it counts as left out", field)
		return nil
	}
	var out []string
	for _, item := range n.Content {
		if t := p.text(item, field); t != "" {
			out = append(out, t)
		}
	}
	return out
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
