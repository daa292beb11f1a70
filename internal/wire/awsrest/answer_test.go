package awsrest_test

import (
	"errors"
	"net/url"
	"testing"

	"mayfly.internal/internal/wire/awsrest"
)

func TestPath(t *testing.T) {
	for want, segments := range map[string][]string{
		"":                  nil,
		"/clusters/my-c_.~": {"clusters", "my-c_.~"},
		"/clusters/a%2Fb/x": {"clusters", "a/b", "x"},
		"/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fp%2Fr%40a%2Cb%20c": {"arn:aws:iam::111122223333:role/p/r@a,b c"},
		"/%C3%A4%25%2B": {"ä%+"},
	} {
		if got := awsrest.Path(segments...); got != want {
			t.Errorf("%q is %s", segments, got)
		}
	}
	if u, err := url.Parse("https://x" + awsrest.Path("a:b/c")); err != nil || u.EscapedPath() != "/a%3Ab%2Fc" {
		t.Errorf("sent as %s, %v", u.EscapedPath(), err)
	}
}

func TestParseAnswer(t *testing.T) {
	type thing struct {
		Name string `json:"name"`
	}
	if got, err := awsrest.ParseAnswer[thing]([]byte(`{"name":"a","new":[1]}`)); err != nil || got.Name != "a" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{"", "no", `{"name":1}`, `{"name":"a"}x`, "[]", "{\"name\":\"\xff\"}"} {
		got, err := awsrest.ParseAnswer[thing]([]byte(body))
		if _, ok := errors.AsType[*awsrest.AnswerError](err); !ok || got != (thing{}) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// TestParseFailure: the code stands where AWS puts it, one of three places.
func TestParseFailure(t *testing.T) {
	want := awsrest.Failure{Status: 404, Code: "ResourceNotFoundException", Message: "No cluster found for name: c1.", Cluster: "c1"}
	for _, tt := range [][2]string{
		{"ResourceNotFoundException", string(want.Body())},
		{"ResourceNotFoundException:http://internal.amazon.com/coral/com.amazonaws.eks/", string(want.Body())},
		{"", `{"__type":"ResourceNotFoundException","message":"No cluster found for name: c1.","clusterName":"c1"}`},
		{"", `{"__type":"com.amazonaws.eks#ResourceNotFoundException","Message":"No cluster found for name: c1.","clusterName":"c1"}`},
		{"", `{"code":"ResourceNotFoundException","message":"No cluster found for name: c1.","clusterName":"c1"}`},
	} {
		if got, err := awsrest.ParseFailure(404, tt[0], []byte(tt[1])); err != nil || got != want {
			t.Errorf("%q: %+v, %v", tt, got, err)
		}
	}
	for _, tt := range [][2]string{{"", `{"message":"m"}`}, {"", ""}, {"X", ""}, {"X", "<html>"}, {":", "{}"}, {"a b", "{}"}, {"a#b#c", "{}"}, {"\x1b[2J", "{}"}} {
		got, err := awsrest.ParseFailure(500, tt[0], []byte(tt[1]))
		if _, ok := errors.AsType[*awsrest.AnswerError](err); !ok || got != (awsrest.Failure{}) {
			t.Errorf("%q: %+v, %v", tt, got, err)
		}
	}
}

func FuzzParseFailure(f *testing.F) {
	f.Add("X", []byte(`{"message":"m","clusterName":"c"}`))
	f.Add("", []byte(`{"__type":"a#b:c"}`))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		got, err := awsrest.ParseFailure(400, header, body)
		if (err == nil) == (got.Code == "") {
			t.Fatalf("%+v, %v", got, err)
		}
		if err == nil {
			if again, err := awsrest.ParseFailure(400, got.Code, got.Body()); err != nil || again != got {
				t.Fatalf("%+v became %+v, %v", got, again, err)
			}
		}
	})
}
