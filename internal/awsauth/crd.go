package awsauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/strictjson"
)

// identityMappingObject is the list of aws-iam-authenticator's custom resources.
// An API server answers a list with resourceVersion=0 from its own memory.
var identityMappingObject = object{name: "IAMIdentityMappings", path: "/apis/iamauthenticator.k8s.aws/v1alpha1/iamidentitymappings?resourceVersion=0",
	read: identityMappings, parse: parseIdentityMappings, missing: func([]byte) bool { return false }}

// identityMapping is the spec of an IAMIdentityMapping.
type identityMapping struct {
	ARN, Username string
	Groups        []string
}

// identityMappings takes the specs out of a list, as JSON by object name.
func identityMappings(body []byte) (map[string]string, error) {
	v, err := strictjson.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no list of IAMIdentityMappings: %w", err)
	}
	if text(v.Get("kind")) != "IAMIdentityMappingList" || v.Get("items").Kind() != strictjson.Array {
		return nil, errors.New("the answer is no list of IAMIdentityMappings")
	}
	if text(v.Get("metadata").Get("continue")) != "" {
		return nil, errors.New("the answer is a part of the list of IAMIdentityMappings")
	}
	data := map[string]string{}
	for _, item := range v.Get("items").Items() {
		spec := item.Get("spec")
		m := identityMapping{ARN: text(spec.Get("arn")), Username: text(spec.Get("username"))}
		for _, g := range spec.Get("groups").Items() {
			m.Groups = append(m.Groups, text(g))
		}
		encoded, err := json.Marshal(m)
		if err != nil {
			return nil, err // unreachable: strings
		}
		data[text(item.Get("metadata").Get("name"))] = string(encoded)
	}
	return data, nil
}

// parseIdentityMappings reads specs as aws-iam-authenticator does, but for what
// eks.CheckMapping refuses. Of two for one ARN it takes either; here it is the
// one whose name is the later.
func parseIdentityMappings(data map[string]string) (eks.Mappings, []note) {
	p := parser{key: "IAMIdentityMapping"}
	var out eks.Mappings
	for _, name := range slices.Sorted(maps.Keys(data)) {
		p.key = "IAMIdentityMapping " + clip(name)
		var spec identityMapping
		if err := json.Unmarshal([]byte(data[name]), &spec); err != nil {
			p.note(true, "%v", err) // unreachable: we wrote it
			continue
		}
		m := eks.Mapping{ARN: spec.ARN, Username: spec.Username, Groups: spec.Groups}
		if err := eks.CheckMapping(m); err != nil {
			p.note(true, "%v", err)
			continue
		}
		if why := m.NeverMatches(); why != "" {
			p.note(false, "%s", why)
		}
		out.Roles = append(out.Roles, m)
	}
	return out, p.notes
}
