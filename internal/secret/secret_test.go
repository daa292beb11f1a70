package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"mayfly.internal/internal/secret"
)

const canary = "canary-7f3c"

func TestNothingPrintsASecret(t *testing.T) {
	for _, v := range []any{
		secret.New(canary), secret.NewBytes([]byte(canary)),
		struct{ S secret.String }{secret.New(canary)},
		&struct{ B secret.Bytes }{secret.NewBytes([]byte(canary))},
		map[string]secret.String{"k": secret.New(canary)},
		struct{ s secret.String }{secret.New(canary)}, // fmt calls no method of an unexported field
		&struct{ in struct{ b []secret.Bytes } }{struct{ b []secret.Bytes }{[]secret.Bytes{secret.NewBytes([]byte(canary))}}},
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for verb, text := range map[string]string{
			"%v": fmt.Sprintf("%v", v), "%+v": fmt.Sprintf("%+v", v), "%#v": fmt.Sprintf("%#v", v),
			"%s": fmt.Sprintf("%s", v), "%q": fmt.Sprintf("%q", v), "%x": fmt.Sprintf("%x", v), "%d": fmt.Sprintf("%d", v),
			"json": string(j), "slog": log.String(),
		} {
			if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("%T printed with %s shows the secret: %s", v, verb, text)
			}
		}
	}
}

func TestReveal(t *testing.T) {
	if got := secret.New(canary).Reveal(); got != canary {
		t.Errorf("Reveal = %q", got)
	}
	b := secret.NewBytes([]byte(canary))
	b.Reveal()[0] = 'X'
	if string(b.Reveal()) != canary {
		t.Error("Reveal gives the value itself, not a copy")
	}
	if !(secret.String{}).Empty() || !(secret.Bytes{}).Empty() {
		t.Error("the zero value is not empty")
	}
}
