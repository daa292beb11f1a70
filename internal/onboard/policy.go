package onboard

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/prove"
)

// document is a policy, in the order people write one.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    string
	Resource  string                    `json:",omitempty"`
	Condition map[string]map[string]any `json:",omitempty"`
}

func (d document) text() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		panic("onboard: " + err.Error()) // unreachable: strings and lists of them
	}
	return strings.TrimSpace(b.String())
}

// condition is a claim and what it must be.
type condition struct {
	claim  string
	values []string
}

// conditions are what a job's token must say. Of those that AWS fills not for
// every issuer, only those that it fills: a condition on another never holds.
func (p Plan) conditions(sub string) []condition {
	all := []condition{
		{"aud", []string{p.Audience}}, {"sub", []string{sub}}, {"project_id", []string{strconv.FormatInt(p.ProjectID, 10)}},
		{"ref_protected", []string{"true"}}, {"pipeline_source", p.Sources},
	}
	var out []condition
	for _, c := range all {
		if p.Realm == prove.Mayfly || prove.AWSFills(p.Provider.URL, c.claim) {
			out = append(out, c)
		}
	}
	return out
}

// Statements' names.
const (
	trustSid  = "GitLabJobs"
	policySid = "FindTheCluster"
)

// trust is the trust policy for the jobs with a sub, leaving out conditions on some
// claims.
func (p Plan) trust(sub string, without ...string) string {
	equals := map[string]any{}
	for _, c := range p.conditions(sub) {
		if !slices.Contains(without, c.claim) {
			equals[p.Provider.URL+":"+c.claim] = oneOrAll(c.values)
		}
	}
	return document{"2012-10-17", []statement{{Sid: trustSid, Effect: "Allow", Principal: map[string]string{"Federated": p.Provider.String()},
		Action: "sts:AssumeRoleWithWebIdentity", Condition: map[string]map[string]any{"StringEquals": equals}}}}.text()
}

func oneOrAll(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

// permissions is what a role may call: find out where the cluster is.
func (p Plan) permissions() string {
	return document{"2012-10-17", []statement{{Sid: policySid, Effect: "Allow", Action: "eks:DescribeCluster", Resource: p.Cluster.String()}}}.text()
}
