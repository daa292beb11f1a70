package stswire_test

import (
	"errors"
	"testing"

	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/stswire"
)

// TestCallerIdentity: the client asks as the server reads, and reads as it
// answers.
func TestCallerIdentity(t *testing.T) {
	r, err := awsquery.Decode(string(stswire.EncodeCallerIdentity().Body()), nil)
	if err != nil || r.Action != "GetCallerIdentity" || r.Version != stswire.Version || r.Check() != nil {
		t.Errorf("%+v, %v", r, err)
	}
	want := stswire.CallerIdentityResult{ARN: "arn:aws:sts::111122223333:assumed-role/r/s", UserID: "AROA1:s", Account: "111122223333"}
	if got, err := stswire.ParseCallerIdentity(awsquery.Answer(stswire.Namespace, "GetCallerIdentity", want, "r-1")); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{"", "<html/>", "<GetCallerIdentityResponse/>"} {
		got, err := stswire.ParseCallerIdentity([]byte(body))
		if _, ok := errors.AsType[*awsquery.AnswerError](err); !ok || got != (stswire.CallerIdentityResult{}) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func FuzzParseCallerIdentity(f *testing.F) {
	f.Add(awsquery.Answer(stswire.Namespace, "GetCallerIdentity", stswire.CallerIdentityResult{ARN: "a", Account: "1"}, "r"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := stswire.ParseCallerIdentity(body); (err == nil) == (got == stswire.CallerIdentityResult{}) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}
