package kubewire_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"mayfly.internal/internal/vectortest"
	"mayfly.internal/internal/wire/kubewire"
)

const presigned = "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Signature=00"

func TestBearer(t *testing.T) {
	token := kubewire.EncodeBearer(presigned)
	if !strings.HasPrefix(token, "k8s-aws-v1.aHR0cHM6Ly9zdHM") || strings.HasSuffix(token, "=") {
		t.Errorf("%s", token)
	}
	if got, err := kubewire.DecodeBearer(token); err != nil || got != presigned {
		t.Errorf("%q, %v", got, err)
	}
	// base64 of three bytes is four characters: the largest that fits.
	largest := kubewire.EncodeBearer(strings.Repeat("x", (kubewire.MaxBearerBytes-len("k8s-aws-v1."))/4*3))
	if _, err := kubewire.DecodeBearer(largest); err != nil || len(largest) > kubewire.MaxBearerBytes {
		t.Errorf("%d bytes: %v", len(largest), err)
	}
}

func TestDecodeBearerRefuses(t *testing.T) {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(presigned)) // 112 characters and two more
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"nothing", "", kubewire.ErrNotBearer},
		{"a service account's token", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", kubewire.ErrNotBearer},
		{"another version", "k8s-aws-v2." + encoded, kubewire.ErrNotBearer},
		{"the prefix in capitals", "K8S-AWS-V1." + encoded, kubewire.ErrNotBearer},
		{"a blank before it", " k8s-aws-v1." + encoded, kubewire.ErrNotBearer},
		{"the prefix alone", "k8s-aws-v1.", kubewire.ErrBearer},
		{"the prefix twice", "k8s-aws-v1.k8s-aws-v1." + encoded, kubewire.ErrBearer},
		{"padding", "k8s-aws-v1." + encoded + "=", kubewire.ErrBearer},
		{"the other alphabet", "k8s-aws-v1.+/+/", kubewire.ErrBearer},
		{"a line break inside", "k8s-aws-v1." + encoded[:8] + "\n" + encoded[8:], kubewire.ErrBearer},
		{"a line break at the end", "k8s-aws-v1." + encoded + "\r\n", kubewire.ErrBearer},
		{"a blank inside", "k8s-aws-v1." + encoded[:8] + " " + encoded[8:], kubewire.ErrBearer},
		{"one character", "k8s-aws-v1.a", kubewire.ErrBearer},
		{"bits that belong to nobody", "k8s-aws-v1.aB", kubewire.ErrBearer},
		{"one byte too long", "k8s-aws-v1." + strings.Repeat("a", kubewire.MaxBearerBytes), kubewire.ErrBearer},
		{"far too long", "k8s-aws-v1." + strings.Repeat("a", 1<<20), kubewire.ErrBearer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kubewire.DecodeBearer(tt.token)
			if !errors.Is(err, tt.want) || got != "" {
				t.Fatalf("%q, %v", got, err)
			}
			if strings.Contains(err.Error(), encoded[:16]) {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
}

// TestTokenVectors runs the cases of aws-iam-authenticator that are decided
// before the URL is looked at. What the URL says is sigv4's to refuse, and
// clusterauth runs them all.
func TestTokenVectors(t *testing.T) {
	var doc struct {
		Cases []struct {
			ID, Expect string
			Token      *string `json:"token_template"`
			URL        string  `json:"url_template"`
		}
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/tokens.json"), &doc); err != nil {
		t.Fatal(err)
	}
	whole := 0
	for _, c := range doc.Cases {
		if c.Token == nil {
			if url, err := kubewire.DecodeBearer(kubewire.EncodeBearer(c.URL)); err != nil || url != c.URL {
				t.Errorf("%s: %q, %v", c.ID, url, err)
			}
			continue
		}
		whole++
		if _, err := kubewire.DecodeBearer(expand(*c.Token)); (err == nil) != (c.Expect == "golden") {
			t.Errorf("%s (%s): %v", c.ID, c.Expect, err)
		}
	}
	if whole < 10 {
		t.Errorf("%d whole tokens", whole)
	}
}

var placeholder = regexp.MustCompile(`\{\{(NUL\*4097|B64STD_WITH_PLUS_SLASH|B64URL:|B64URLPAD:)((?:[^{}]|\{\{[^{}]*\}\})*)\}\}`)

// expand fills in what the vectors' templates leave out.
func expand(template string) string {
	return placeholder.ReplaceAllStringFunc(template, func(text string) string {
		m := placeholder.FindStringSubmatch(text)
		switch m[1] {
		case "NUL*4097":
			return strings.Repeat("\x00", 4097)
		case "B64STD_WITH_PLUS_SLASH":
			return "aHR0+HM6/y9z"
		case "B64URLPAD:":
			return base64.URLEncoding.EncodeToString([]byte(m[2]+" ")) + "="
		}
		return base64.RawURLEncoding.EncodeToString([]byte(m[2]))
	})
}

func FuzzDecodeBearer(f *testing.F) {
	for _, s := range []string{kubewire.EncodeBearer(presigned), "k8s-aws-v1.", "k8s-aws-v1.aB", "k8s-aws-v1.aA==", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		url, err := kubewire.DecodeBearer(token)
		if err != nil {
			if url != "" || !errors.Is(err, kubewire.ErrBearer) && !errors.Is(err, kubewire.ErrNotBearer) {
				t.Errorf("%q, %v", url, err)
			}
			return
		}
		// There is one spelling of a token.
		if again := kubewire.EncodeBearer(url); again != token || len(token) > kubewire.MaxBearerBytes {
			t.Errorf("%q is also %q", token, again)
		}
	})
}
