package awsauth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/eks"
)

func identityMappingList(items ...string) string {
	return `{"apiVersion":"iamauthenticator.k8s.aws/v1alpha1","kind":"IAMIdentityMappingList","metadata":{"resourceVersion":"7"},"items":[` + strings.Join(items, ",") + `]}`
}

func identityMappingJSON(name, spec string) string {
	return `{"apiVersion":"iamauthenticator.k8s.aws/v1alpha1","kind":"IAMIdentityMapping","metadata":{"name":"` + name + `"},"spec":` + spec + `,"status":{"canonicalARN":"x"}}`
}

func TestIdentityMappings(t *testing.T) {
	w := newWorld(t)
	w.says(body(200, identityMappingList(
		identityMappingJSON("b", `{"arn":"`+deployer+`","username":"later","groups":["g","h"]}`),
		identityMappingJSON("a", `{"arn":"`+deployer+`","username":"earlier"}`),
		identityMappingJSON("chosen", `{"arn":"`+deployer+`","username":"x","groups":["{{SessionName}}"]}`),
		identityMappingJSON("empty", `{}`),
	)))
	c, _ := w.Snapshot().Cluster("prod")
	got, err := w.IdentityMappings(t.Context(), c)
	want := eks.Mappings{Roles: []eks.Mapping{{ARN: deployer, Username: "earlier"}, {ARN: deployer, Username: "later", Groups: []string{"g", "h"}}}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	if r := w.requests[0]; r.RequestURI != "/apis/iamauthenticator.k8s.aws/v1alpha1/iamidentitymappings?resourceVersion=0" {
		t.Error(r.RequestURI)
	}
	w.settled()
	if log := w.log.String(); !strings.Contains(log, "chosen") || !strings.Contains(log, "empty") || strings.Count(log, "\n") != 2 {
		t.Errorf("log: %s", log)
	}
}

// TestIdentityMappingsRefused: what is no list of them maps nobody, and nobody
// knows.
func TestIdentityMappingsRefused(t *testing.T) {
	good := identityMappingJSON("a", `{"arn":"`+deployer+`","username":"x"}`)
	for name, answer := range map[string]http.HandlerFunc{
		"no JSON":              body(200, "<html>"),
		"an empty object":      body(200, "{}"),
		"another kind":         body(200, strings.Replace(identityMappingList(good), "MappingList", "Mappings", 1)),
		"one of them":          body(200, good),
		"items that are none":  body(200, strings.Replace(identityMappingList(), "[]", "{}", 1)),
		"a part of the list":   body(200, strings.Replace(identityMappingList(good), `"resourceVersion"`, `"continue":"x","resourceVersion"`, 1)),
		"no such resource":     body(404, `{"kind":"Status","reason":"NotFound"}`),
		"not found by name":    body(404, notFound),
		"the reader may not":   body(403, "{}"),
		"a ConfigMap":          okMap("deployers"),
		"a list over the size": body(200, identityMappingList(good+strings.Repeat(" ", maxBody))),
	} {
		w := newWorld(t)
		w.says(answer)
		c, _ := w.Snapshot().Cluster("prod")
		if got, err := w.IdentityMappings(t.Context(), c); err == nil || len(got.Roles) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestObjectsAreApart: what is known of the ConfigMap is not known of the CRD,
// and a bearer token is bound to what the cluster's are bound to.
func TestObjectsAreApart(t *testing.T) {
	w := newWorld(t)
	w.config.BoundTo = func(c eks.Cluster) string { return c.Name + ".example.com" }
	if got := w.group(); got != "deployers" {
		t.Fatal(got)
	}
	w.says(body(500, "down"))
	c, _ := w.Snapshot().Cluster("prod")
	if got, err := w.IdentityMappings(t.Context(), c); err == nil {
		t.Errorf("%+v", got)
	}
	if got := w.group(); got != "deployers" {
		t.Error(got)
	}
	w.pass(time.Hour)
	if got := w.group(); got != "?" {
		t.Error(got)
	}
	if n := strings.Count(w.log.String(), "IAMIdentityMappings cannot be read"); n != 1 {
		t.Errorf("log: %s", &w.log)
	}
}

func FuzzIdentityMappings(f *testing.F) {
	f.Add([]byte(identityMappingList(identityMappingJSON("a", `{"arn":"`+deployer+`","username":"x","groups":["g"]}`))))
	f.Add([]byte(`{"kind":"IAMIdentityMappingList","items":[null,7,{"spec":[]}]}`))
	f.Fuzz(func(t *testing.T, list []byte) {
		data, err := identityMappings(list)
		if err != nil {
			if data != nil {
				t.Errorf("%v and %v", data, err)
			}
			return
		}
		m, notes := parseIdentityMappings(data)
		if len(m.Roles) > len(data) || len(notes) > maxNotes {
			t.Errorf("%d mappings and %d notes of %d", len(m.Roles), len(notes), len(data))
		}
		for _, r := range m.Roles {
			if err := eks.CheckMapping(r); err != nil {
				t.Error(err)
			}
		}
	})
}
