package policy

import (
	"math/big"
	"regexp"
	"testing"
	"time"
)

func TestParseInstant(t *testing.T) {
	for text, want := range map[string]string{
		"0":                              "1970-01-01T00:00:00Z",
		"1795402800":                     "2026-11-23T03:00:00Z",
		"2026-11-23T03:00:00Z":           "2026-11-23T03:00:00Z",
		"2026-11-23t03:00:00z":           "2026-11-23T03:00:00Z",
		"2026-11-23T03:00:00":            "2026-11-23T03:00:00Z",
		"2026-11-23T03:00":               "2026-11-23T03:00:00Z",
		"2026-11-23T03":                  "2026-11-23T03:00:00Z",
		"2026-11-23T":                    "2026-11-23T00:00:00Z",
		"2026-11-23":                     "2026-11-23T00:00:00Z",
		"2026-11":                        "2026-11-01T00:00:00Z",
		"2026T":                          "2026-01-01T00:00:00Z",
		"2026":                           "1970-01-01T00:33:46Z",
		"2026-11-23T03:00Z":              "2026-11-23T03:00:00Z",
		"2026-11-23T03:00:00.123456789Z": "2026-11-23T03:00:00.123456789Z",
		"2026-11-23T03:00:00.5+01":       "2026-11-23T02:00:00.5Z",
		"2026-11-23T03:00:00+01:30":      "2026-11-23T01:30:00Z",
		"2026-11-23T03:00:00-05:00":      "2026-11-23T08:00:00Z",
		"2024-02-29":                     "2024-02-29T00:00:00Z",
		"1969-12-31T23:59:59.999999999Z": "1969-12-31T23:59:59.999999999Z",
		"2026-1-2T3:4:5Z":                "2026-01-02T03:04:05Z",
	} {
		got, ok := parseInstant(text)
		at, err := time.Parse(time.RFC3339Nano, want)
		if err != nil {
			t.Fatal(err)
		}
		if !ok || got.seconds != at.Unix() || got.nanos != at.Nanosecond() {
			t.Errorf("parseInstant(%q) = %+v, %v; want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", " ", "-", "T", "Z", "now", "2026-13-01", "2026-00-01", "2026-02-29", "2026-04-31", "2026-1-1-1", "2026-11-23T24:00:00Z", "2026-11-23T03:00:00:00Z", "2026-11-23T03:60:00Z",
		"2026-11-23T03:00:60Z", "2026-11-23T03:00:00.Z", "2026-11-23T03:00:00.1234567890Z", "2026-11-23T03:00:00+1", "2026-11-23T03:00:00+24:00",
		"2026-11-23T03:00:00+01:60", "2026-11-23T03:00:00+0100", "2026-11-23T03:00:00+01:0", "2026-11-23T03:00:00+01:", "2026-11-23T03:00:00ZZ", "2026-11-23T03Z",
		"2026-11-23T03:00:00Z ", " 2026-11-23", "2026-11-23 03:00:00", "9223372036854775808", "+5", "292278994-01-01", "1234567890-01-01", "1.5", "0x10",
	} {
		if got, ok := parseInstant(text); ok {
			t.Errorf("parseInstant(%q) = %+v", text, got)
		}
	}
	for _, text := range []string{"-292278993-01-01", "292278993-12-31T23:59:59Z", "9223372036854775807"} {
		if _, ok := parseInstant(text); !ok {
			t.Errorf("parseInstant(%q) is refused", text)
		}
	}
}

func TestInstantsAreOrdered(t *testing.T) {
	ordered := []string{"-292278993-01-01", "-1-01-01", "1969-12-31T23:59:59.9Z", "0", "1970-01-01T00:00:00.000000001Z", "2026-11-23T03:00:00+01:00", "2026-11-23T03:00:00Z", "292278993-12-31", "9223372036854775807"}
	for i, a := range ordered {
		for j, b := range ordered {
			x, _ := parseInstant(a)
			y, _ := parseInstant(b)
			if got := x.compare(y); got != sign(i-j) {
				t.Errorf("%s compares with %s as %d", a, b, got)
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestParseDecimalRefuses(t *testing.T) {
	for _, text := range []string{"", "-", ".", "1.", ".5", "+1", "1e3", "0x1", "1,5", " 1", "1 ", "--1", "1.2.3", "NaN", "Inf", "१"} {
		if d, ok := parseDecimal(text); ok {
			t.Errorf("parseDecimal(%q) = %+v", text, d)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	f.Add("1.5", "1.50")
	f.Add("-0", "0")
	f.Add("9007199254740993", "9007199254740992")
	f.Add("-10", "-9.999")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, okA := parseDecimal(a)
		y, okB := parseDecimal(b)
		if !okA || !okB {
			return
		}
		p, _ := new(big.Rat).SetString(a)
		q, _ := new(big.Rat).SetString(b)
		if got, want := sign(x.compare(y)), p.Cmp(q); got != want {
			t.Errorf("%s compares with %s as %d, want %d", a, b, got, want)
		}
	})
}

// rfc3339 is the form of a date-time of RFC 3339 §5.6, with the ranges of its
// offset.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzInstant(f *testing.F) {
	f.Add("2026-11-23T03:00:00.5+01:30")
	f.Add("1795402800")
	f.Add("2023-11-23T03:00:00.5+11:60")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseInstant(text)
		// time.Parse takes what RFC 3339 does not have: a comma, an offset of
		// +11:60 or of +24:00.
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Year() > 0 && rfc3339.MatchString(text) {
			if !ok && len(text) <= len("2006-01-02T15:04:05.999999999+00:00") {
				t.Errorf("RFC 3339's %q is refused", text)
			}
			if ok && (got.seconds != at.Unix() || got.nanos != at.Nanosecond()) {
				t.Errorf("parseInstant(%q) = %+v, want %v", text, got, at)
			}
		}
		if !ok && got != (instant{}) {
			t.Errorf("parseInstant(%q) refuses and gives %+v", text, got)
		}
	})
}
