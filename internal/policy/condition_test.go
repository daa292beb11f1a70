package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"mayfly.internal/internal/policy"
)

// one is a context with a single-valued key a:k; none has no key; many has it
// multivalued.
func one(t *testing.T, value string) policy.Context {
	return contextOf(t, map[string]any{"a:k": value})
}

func several(t *testing.T, values ...string) policy.Context {
	var b policy.ContextBuilder
	b.SetMany("a:k", values)
	c, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// outcome evaluates a condition in an Allow and in a Deny: "holds", "fails", or
// "unknown", which helps no Allow and stops no Deny.
func outcome(t *testing.T, condition string, c policy.Context) string {
	t.Helper()
	matches := func(effect string) bool {
		d := mustParse(t, policy.Permission, statement(fmt.Sprintf(`"Effect": %q, "Action": "*", "Resource": "*", "Condition": %s`, effect, condition)))
		return len(policy.Evaluate(policy.Request{Principal: policy.RootPrincipal("111122223333"), Action: "a:b", Resource: "*", Context: c},
			policy.Set{Identity: []*policy.Document{d}}).Statements) > 0
	}
	switch allow, deny := matches("Allow"), matches("Deny"); {
	case allow && deny:
		return "holds"
	case deny:
		return "unknown"
	case allow:
		t.Errorf("%s: an Allow matches where a Deny does not", condition)
	}
	return "fails"
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct{ name, operator, value, seen, want string }{
		{"equal text", "StringEquals", `"main"`, "main", "holds"},
		{"other text", "StringEquals", `"main"`, "main2", "fails"},
		{"text in other case", "StringEquals", `"main"`, "Main", "fails"},
		{"a trailing newline", "StringEquals", `"main"`, "main\n", "fails"},
		{"a leading space", "StringEquals", `"main"`, " main", "fails"},
		{"the other Unicode form", "StringEquals", `"caf\u00e9"`, "cafe\u0301", "fails"},
		{"a star is a star", "StringEquals", `"m*"`, "main", "fails"},
		{"a star equals itself", "StringEquals", `"m*"`, "m*", "holds"},
		{"the empty text", "StringEquals", `""`, "", "holds"},
		{"one of several", "StringEquals", `["a", "b"]`, "b", "holds"},
		{"none of several", "StringEquals", `["a", "b"]`, "c", "fails"},
		{"a number in the policy is its text", "StringEquals", `20`, "20", "holds"},
		{"another spelling of the number is other text", "StringEquals", `20`, "20.0", "fails"},
		{"a boolean in the policy is a word", "StringEquals", `true`, "true", "holds"},

		{"an excluded value", "StringNotEquals", `"main"`, "main", "fails"},
		{"a value not excluded", "StringNotEquals", `"main"`, "feature", "holds"},
		{"one of several excluded", "StringNotEquals", `["a", "b"]`, "b", "fails"},
		{"none of several excluded", "StringNotEquals", `["a", "b"]`, "c", "holds"},

		{"case ignored", "StringEqualsIgnoreCase", `"Main"`, "mAIN", "holds"},
		{"case ignored, other text", "StringEqualsIgnoreCase", `"Main"`, "mainz", "fails"},
		{"case ignored, a star is a star", "StringEqualsIgnoreCase", `"m*"`, "main", "fails"},
		{"case ignored, excluded", "StringNotEqualsIgnoreCase", `"Main"`, "main", "fails"},
		{"case ignored, not excluded", "StringNotEqualsIgnoreCase", `"Main"`, "other", "holds"},

		{"a pattern", "StringLike", `"project_path:acme/*:ref:main"`, "project_path:acme/web:ref:main", "holds"},
		{"a pattern is anchored", "StringLike", `"acme/*"`, "xacme/web", "fails"},
		{"a pattern minds case", "StringLike", `"acme/*"`, "Acme/web", "fails"},
		{"a question mark is one character", "StringLike", `"v?"`, "v10", "fails"},
		{"an escaped star is a star", "StringLike", `"v${*}"`, "v1", "fails"},
		{"an escaped star equals itself", "StringLike", `"v${*}"`, "v*", "holds"},
		{"an escaped question mark", "StringLike", `"v${?}"`, "v1", "fails"},
		{"an escaped dollar sign", "StringLike", `"${$}{aws:userid}"`, "${aws:userid}", "holds"},
		{"a dollar sign alone is itself", "StringLike", `"$5"`, "$5", "holds"},
		{"an excluded pattern", "StringNotLike", `"acme/*"`, "acme/web", "fails"},
		{"a pattern not excluded", "StringNotLike", `"acme/*"`, "evil/web", "holds"},

		{"equal numbers", "NumericEquals", `10`, "10.0", "holds"},
		{"leading zeros", "NumericEquals", `"7"`, "007", "holds"},
		{"minus zero is zero", "NumericEquals", `0`, "-0.00", "holds"},
		{"numbers that a float64 cannot tell apart", "NumericEquals", `9007199254740993`, "9007199254740992", "fails"},
		{"fractions that a float64 cannot tell apart", "NumericEquals", `0.1`, "0.1000000000000000055511151231257827", "fails"},
		{"text where a number belongs", "NumericEquals", `10`, "ten", "unknown"},
		{"an exponent where a plain number belongs", "NumericEquals", `1000`, "1e3", "unknown"},
		{"an empty number", "NumericEquals", `0`, "", "unknown"},
		{"an unequal number", "NumericNotEquals", `10`, "11", "holds"},
		{"text is not an unequal number", "NumericNotEquals", `10`, "ten", "unknown"},
		{"less", "NumericLessThan", `10`, "9.99", "holds"},
		{"not less but equal", "NumericLessThan", `10`, "10", "fails"},
		{"a longer number is greater", "NumericLessThan", `9`, "10", "fails"},
		{"negative numbers are less", "NumericLessThan", `-1`, "-1.5", "holds"},
		{"less or equal", "NumericLessThanEquals", `10`, "10", "holds"},
		{"greater", "NumericGreaterThan", `-1.5`, "-1", "holds"},
		{"not greater", "NumericGreaterThan", `1`, "-2", "fails"},
		{"greater or equal", "NumericGreaterThanEquals", `0.5`, "0.50", "holds"},

		{"the same instant in another zone", "DateEquals", `"2026-11-23T03:00:00Z"`, "2026-11-23T04:00:00+01:00", "holds"},
		{"the same instant in seconds", "DateEquals", `"2026-11-23T03:00:00Z"`, "1795402800", "holds"},
		{"a date is its midnight", "DateEquals", `"2026-11-23"`, "2026-11-23T00:00:00Z", "holds"},
		{"a tenth of a second later", "DateEquals", `"2026-11-23T03:00:00Z"`, "2026-11-23T03:00:00.1Z", "fails"},
		{"another day", "DateNotEquals", `"2026-11-23"`, "2026-11-24", "holds"},
		{"before", "DateLessThan", `"2026-11-23T03:00:00Z"`, "2026-11-23T02:59:59Z", "holds"},
		{"at the very moment is not before", "DateLessThan", `"2026-11-23T03:00:00Z"`, "2026-11-23T03:00:00Z", "fails"},
		{"at the very moment", "DateLessThanEquals", `"2026-11-23T03:00:00Z"`, "2026-11-23T03:00:00Z", "holds"},
		{"after", "DateGreaterThan", `1795402800`, "2026-11-23T03:00:01Z", "holds"},
		{"not after", "DateGreaterThanEquals", `1795402800`, "2026-11-23T02:59:59Z", "fails"},
		{"a day that is none", "DateGreaterThan", `"2026-01-01"`, "2026-02-30", "unknown"},
		{"text where a date belongs", "DateGreaterThan", `"2026-01-01"`, "now", "unknown"},

		{"true", "Bool", `true`, "true", "holds"},
		{"true in capitals", "Bool", `"true"`, "TRUE", "holds"},
		{"false is not true", "Bool", `true`, "false", "fails"},
		{"one is not true", "Bool", `true`, "1", "unknown"},
		{"the long s makes no false", "Bool", `false`, "fal\u017fe", "unknown"},

		{"equal bytes", "BinaryEquals", `"bWF5Zmx5"`, "bWF5Zmx5", "holds"},
		{"other bytes", "BinaryEquals", `"bWF5Zmx5"`, "bWF5Zmx6", "fails"},
		{"bytes without padding", "BinaryEquals", `"bWF5Zg=="`, "bWF5Zg", "unknown"},
		{"bytes with stray bits", "BinaryEquals", `"bWF5Zg=="`, "bWF5Zh==", "unknown"},

		{"an address in its block", "IpAddress", `"203.0.113.0/24"`, "203.0.113.7", "holds"},
		{"an address beside it", "IpAddress", `"203.0.113.0/24"`, "203.0.114.7", "fails"},
		{"a block with bits behind its mask", "IpAddress", `"203.0.113.9/24"`, "203.0.113.7", "holds"},
		{"an address is its own block", "IpAddress", `"203.0.113.7"`, "203.0.113.7", "holds"},
		{"another address", "IpAddress", `"203.0.113.7"`, "203.0.113.8", "fails"},
		{"IPv6", "IpAddress", `"2001:db8::/32"`, "2001:db8:1::1", "holds"},
		{"IPv4 in IPv6 is IPv4", "IpAddress", `"203.0.113.0/24"`, "::ffff:203.0.113.7", "holds"},
		{"a block of IPv4 in IPv6", "IpAddress", `"::ffff:203.0.113.0/120"`, "203.0.113.7", "holds"},
		{"all of IPv4 in IPv6", "IpAddress", `"::ffff:0:0/96"`, "203.0.113.7", "holds"},
		{"all of IPv6 is nothing of IPv4", "IpAddress", `"::/0"`, "203.0.113.7", "fails"},
		{"text where an address belongs", "IpAddress", `"203.0.113.0/24"`, "localhost", "unknown"},
		{"an address with a port", "IpAddress", `"203.0.113.0/24"`, "203.0.113.7:443", "unknown"},
		{"an address outside", "NotIpAddress", `"203.0.113.0/24"`, "198.51.100.1", "holds"},
		{"an excluded address", "NotIpAddress", `"203.0.113.0/24"`, "203.0.113.7", "fails"},
		{"text is not an address outside", "NotIpAddress", `"203.0.113.0/24"`, "localhost", "unknown"},

		{"an ARN", "ArnEquals", `"arn:aws:iam::111122223333:role/deploy"`, "arn:aws:iam::111122223333:role/deploy", "holds"},
		{"ArnEquals takes wildcards too", "ArnEquals", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:role/deploy", "holds"},
		{"another account", "ArnLike", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::999922223333:role/deploy", "fails"},
		{"case counts", "ArnLike", `"arn:aws:iam::111122223333:role/deploy"`, "arn:aws:iam::111122223333:role/Deploy", "fails"},
		{"a star stays in its part", "ArnLike", `"arn:aws:*:111122223333:role/deploy:x"`, "arn:aws:iam::111122223333:role/deploy:x", "fails"},
		{"a star in the last part crosses colons", "ArnLike", `"arn:aws:logs:*:*:*stream"`, "arn:aws:logs:eu:1:log-group:a:log-stream", "holds"},
		{"text where an ARN belongs", "ArnLike", `"arn:*:*:*:*:*"`, "role/deploy", "unknown"},
		{"an ARN with a part too few", "ArnLike", `"arn:*:*:*:*:*"`, "arn:aws:iam::111122223333", "unknown"},
		{"an excluded ARN", "ArnNotLike", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:role/deploy", "fails"},
		{"an ARN not excluded", "ArnNotEquals", `"arn:aws:iam::111122223333:role/*"`, "arn:aws:iam::111122223333:user/deploy", "holds"},
		{"text is not an ARN not excluded", "ArnNotEquals", `"arn:aws:iam::111122223333:role/*"`, "deploy", "unknown"},

		{"wanted present, and it is", "Null", `false`, "x", "holds"},
		{"wanted absent, and it is not", "Null", `"true"`, "x", "fails"},
		{"wanted present, and it is empty", "Null", `false`, "", "fails"},
		{"either way", "Null", `["true", "false"]`, "x", "holds"},
		{"present passes IfExists only if it matches", "StringEqualsIfExists", `"x"`, "y", "fails"},
		{"present under IfExists", "StringEqualsIfExists", `"x"`, "x", "holds"},
		{"no values to compare with", "StringEquals", `[]`, "x", "unknown"},
		{"nothing excluded is not everything allowed", "StringNotEquals", `[]`, "x", "unknown"},
		{"a set form with a single value", "ForAnyValue:StringEquals", `"x"`, "x", "holds"},
	} {
		t.Run(tt.operator+": "+tt.name, func(t *testing.T) {
			condition := fmt.Sprintf(`{%q: {"a:k": %s}}`, tt.operator, tt.value)
			if got := outcome(t, condition, one(t, tt.seen)); got != tt.want {
				t.Errorf("%s with %q %s, want %s", condition, tt.seen, got, tt.want)
			}
		})
	}
}

func TestAbsentKey(t *testing.T) {
	for condition, want := range map[string]string{
		`{"StringEquals": {"a:k": "x"}}`:                     "fails",
		`{"StringLike": {"a:k": "*"}}`:                       "fails",
		`{"StringNotEquals": {"a:k": "x"}}`:                  "holds",
		`{"StringNotLike": {"a:k": "*"}}`:                    "holds",
		`{"NumericLessThan": {"a:k": 5}}`:                    "fails",
		`{"NumericNotEquals": {"a:k": 5}}`:                   "holds",
		`{"DateLessThan": {"a:k": "2026-11-23"}}`:            "fails",
		`{"Bool": {"a:k": false}}`:                           "fails",
		`{"BinaryEquals": {"a:k": ""}}`:                      "fails",
		`{"IpAddress": {"a:k": "::/0"}}`:                     "fails",
		`{"NotIpAddress": {"a:k": "::/0"}}`:                  "holds",
		`{"ArnLike": {"a:k": "arn:*:*:*:*:*"}}`:              "fails",
		`{"ArnNotLike": {"a:k": "arn:*:*:*:*:*"}}`:           "holds",
		`{"Null": {"a:k": "true"}}`:                          "holds",
		`{"Null": {"a:k": false}}`:                           "fails",
		`{"ForAllValues:Null": {"a:k": "true"}}`:             "holds",
		`{"ForAnyValue:Null": {"a:k": "true"}}`:              "holds",
		`{"StringEqualsIfExists": {"a:k": "x"}}`:             "holds",
		`{"StringNotEqualsIfExists": {"a:k": "x"}}`:          "holds",
		`{"BoolIfExists": {"a:k": true}}`:                    "holds",
		`{"ForAllValues:StringEquals": {"a:k": "x"}}`:        "holds",
		`{"ForAllValues:StringNotEquals": {"a:k": "x"}}`:     "holds",
		`{"ForAnyValue:StringEquals": {"a:k": "x"}}`:         "fails",
		`{"ForAnyValue:StringNotEquals": {"a:k": "x"}}`:      "fails",
		`{"ForAnyValue:StringEqualsIfExists": {"a:k": "x"}}`: "holds",
		`{"StringEquals": {"a:k": []}}`:                      "unknown",
	} {
		t.Run(condition, func(t *testing.T) {
			if got := outcome(t, condition, policy.Context{}); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestSeveralValues(t *testing.T) {
	for _, tt := range []struct {
		name, condition string
		values          []string
		want            string
	}{
		{"an array where a string belongs", `{"StringEquals": {"a:k": "main"}}`, []string{"main"}, "unknown"},
		{"two values where a string belongs", `{"StringEquals": {"a:k": ["main", "dev"]}}`, []string{"main", "dev"}, "unknown"},
		{"an array under a negated operator", `{"StringNotEquals": {"a:k": "main"}}`, []string{"dev"}, "unknown"},
		{"an array under IfExists", `{"StringEqualsIfExists": {"a:k": "main"}}`, []string{"main"}, "unknown"},
		{"an empty array is an absent key", `{"StringEquals": {"a:k": "main"}}`, nil, "fails"},
		{"an empty array under a negated operator", `{"StringNotEquals": {"a:k": "main"}}`, nil, "holds"},
		{"an empty array is null", `{"Null": {"a:k": "true"}}`, nil, "holds"},
		{"all are listed", `{"ForAllValues:StringEquals": {"a:k": ["a", "b"]}}`, []string{"b", "a", "b"}, "holds"},
		{"one is not listed", `{"ForAllValues:StringEquals": {"a:k": ["a", "b"]}}`, []string{"a", "c"}, "fails"},
		{"all of none", `{"ForAllValues:StringEquals": {"a:k": "a"}}`, nil, "holds"},
		{"all of an empty text, which is none", `{"ForAllValues:StringEquals": {"a:k": "a"}}`, []string{""}, "holds"},
		{"an empty text beside another", `{"ForAllValues:StringEquals": {"a:k": "a"}}`, []string{"", "a"}, "fails"},
		{"one is listed", `{"ForAnyValue:StringEquals": {"a:k": ["a", "b"]}}`, []string{"x", "b"}, "holds"},
		{"none is listed", `{"ForAnyValue:StringEquals": {"a:k": ["a", "b"]}}`, []string{"x", "y"}, "fails"},
		{"any of none", `{"ForAnyValue:StringEquals": {"a:k": "a"}}`, nil, "fails"},
		{"no value is excluded", `{"ForAllValues:StringNotLike": {"a:k": "a*"}}`, []string{"b", "c"}, "holds"},
		{"one value is excluded", `{"ForAllValues:StringNotLike": {"a:k": "a*"}}`, []string{"b", "ab"}, "fails"},
		{"some value is not excluded", `{"ForAnyValue:StringNotLike": {"a:k": "a*"}}`, []string{"b", "ab"}, "holds"},
		{"every value is excluded", `{"ForAnyValue:StringNotLike": {"a:k": "a*"}}`, []string{"aa", "ab"}, "fails"},
		{"one of all cannot be compared", `{"ForAllValues:NumericLessThan": {"a:k": 5}}`, []string{"1", "x"}, "unknown"},
		{"one of all cannot be compared, and one fails", `{"ForAllValues:NumericLessThan": {"a:k": 5}}`, []string{"9", "x"}, "fails"},
		{"one of any cannot be compared, and one holds", `{"ForAnyValue:NumericLessThan": {"a:k": 5}}`, []string{"x", "1"}, "holds"},
		{"one of any cannot be compared", `{"ForAnyValue:NumericLessThan": {"a:k": 5}}`, []string{"x", "9"}, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := outcome(t, tt.condition, several(t, tt.values...)); got != tt.want {
				t.Errorf("%s with %q %s, want %s", tt.condition, tt.values, got, tt.want)
			}
		})
	}
}

func TestSeveralConditions(t *testing.T) {
	c := contextOf(t, map[string]any{"a:k": "x", "a:n": "many", "a:l": []any{"x"}, "a:Z@[": "zed"})
	for name, tt := range map[string]struct{ condition, want string }{
		"all keys of an operator must hold":     {`{"StringEquals": {"a:k": "x", "a:n": "few"}}`, "fails"},
		"all operators must hold":               {`{"StringEquals": {"a:k": "x"}, "StringLike": {"a:n": "m*"}}`, "holds"},
		"one key under two operators":           {`{"StringLike": {"a:k": "*"}, "StringNotEquals": {"a:k": "x"}}`, "fails"},
		"the unknown and the false are false":   {`{"StringEquals": {"a:l": "x", "a:k": "y"}}`, "fails"},
		"the unknown and the true are unknown":  {`{"StringEquals": {"a:l": "x", "a:k": "x"}}`, "unknown"},
		"key names are compared without case":   {`{"StringEquals": {"A:K": "x"}}`, "holds"},
		"one key twice, in two cases, is two":   {`{"StringEquals": {"A:K": "x", "a:k": "y"}}`, "fails"},
		"a key is not another that begins so":   {`{"StringEquals": {"a:kk": "x"}}`, "fails"},
		"a key of another provider is no key":   {`{"StringEquals": {"b:k": "x"}}`, "fails"},
		"only letters fold in a key name":       {`{"StringEquals": {"a:z@[": "zed"}}`, "holds"},
		"other characters do not fold":          {"{\"StringEquals\": {\"a:z`{\": \"zed\"}}", "fails"},
		"the Kelvin sign is no k in a key name": {`{"StringEquals": {"a:\u212a": "x"}}`, "fails"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(t, tt.condition, c); got != tt.want {
				t.Errorf("%s %s, want %s", tt.condition, got, tt.want)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	c := contextOf(t, map[string]any{
		"a:k": "home/bob", "aws:userid": "bob", "aws:PrincipalTag/Team": "b*b", "a:list": []any{"bob"}, "a:empty": "",
		"a:star": "home/b*b", "a:arn": "arn:aws:iam::111122223333:role/bob", "aws:PrincipalAccount": "111122223333", "a:odd": "111122223333:role/x",
	})
	for name, tt := range map[string]struct{ condition, want string }{
		"a value is put in": {`{"StringEquals": {"a:k": "home/${aws:userid}"}}`, "holds"},
		"key names in variables are compared without case":   {`{"StringEquals": {"a:k": "home/${AWS:UserID}"}}`, "holds"},
		"a value put in is literal for StringLike":           {`{"StringLike": {"a:k": "home/${aws:PrincipalTag/Team}"}}`, "fails"},
		"the literal value matches itself":                   {`{"StringLike": {"a:star": "*/${aws:PrincipalTag/team}"}}`, "holds"},
		"case ignored in what is put in":                     {`{"StringEqualsIgnoreCase": {"a:k": "HOME/${aws:userid}"}}`, "holds"},
		"a default is not used when there is a value":        {`{"StringEquals": {"a:k": "home/${aws:userid, 'eve'}"}}`, "holds"},
		"a default is used when there is none":               {`{"StringEquals": {"a:k": "home/${a:none, 'bob'}"}}`, "holds"},
		"an empty value is a value":                          {`{"StringEquals": {"a:k": "home/bob${a:empty, 'x'}"}}`, "holds"},
		"an empty default":                                   {`{"StringEquals": {"a:k": "home/bob${a:none, ''}"}}`, "holds"},
		"a missing value matches nothing":                    {`{"StringEquals": {"a:k": "${a:none}"}}`, "fails"},
		"a missing value matches nothing in a pattern":       {`{"StringLike": {"a:k": "*${a:none}"}}`, "fails"},
		"a missing value is not excluded":                    {`{"StringNotEquals": {"a:k": "${a:none}"}}`, "holds"},
		"a missing value beside one that matches":            {`{"StringEquals": {"a:k": ["${a:none}", "home/bob"]}}`, "holds"},
		"a multivalued key is no variable":                   {`{"StringEquals": {"a:k": "home/${a:list}"}}`, "unknown"},
		"a multivalued key is no variable, negated":          {`{"StringNotLike": {"a:k": "home/${a:list}"}}`, "unknown"},
		"a value in an ARN":                                  {`{"ArnLike": {"a:arn": "arn:aws:iam::${aws:PrincipalAccount}:role/${aws:userid}"}}`, "holds"},
		"a value with a colon does not shift an ARN's parts": {`{"ArnLike": {"a:arn": "arn:aws:iam::${a:odd}:*"}}`, "fails"},
		"a missing value in an ARN":                          {`{"ArnLike": {"a:arn": "arn:aws:iam::*:role/${a:none}"}}`, "fails"},
		"a multivalued key in an ARN":                        {`{"ArnLike": {"a:arn": "arn:aws:iam::*:role/${a:list}"}}`, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(t, tt.condition, c); got != tt.want {
				t.Errorf("%s %s, want %s", tt.condition, got, tt.want)
			}
		})
	}
	t.Run("under the old version a variable is text", func(t *testing.T) {
		d := mustParse(t, policy.Permission, `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"a:k": "${aws:userid}"}}}}`)
		ask := func(c policy.Context) bool {
			return policy.Evaluate(policy.Request{Principal: policy.RootPrincipal("111122223333"), Action: "a:b", Resource: "*", Context: c},
				policy.Set{Identity: []*policy.Document{d}, ResourceAccount: "111122223333"}).Allowed()
		}
		if ask(contextOf(t, map[string]any{"a:k": "bob", "aws:userid": "bob"})) || !ask(one(t, "${aws:userid}")) {
			t.Error("the variable was put in")
		}
	})
}

func TestContext(t *testing.T) {
	t.Run("a key set twice is an error, whatever its case", func(t *testing.T) {
		var b policy.ContextBuilder
		b.Set("gitlab.com:ref", "main")
		b.Set("gitlab.com:REF", "evil")
		if c, err := b.Context(); err == nil {
			t.Errorf("got %v", c)
		}
	})
	t.Run("bytes that are no text become the replacement character", func(t *testing.T) {
		var b policy.ContextBuilder
		b.Set("a:k", "x\xff")
		c, err := b.Context()
		if err != nil {
			t.Fatal(err)
		}
		if v, many, ok := c.Values("A:K"); !ok || many || len(v) != 1 || v[0] != "x\uFFFD" {
			t.Errorf("%q %v %v", v, many, ok)
		}
	})
	t.Run("the values are the context's own", func(t *testing.T) {
		values := []string{"a"}
		var b policy.ContextBuilder
		b.SetMany("a:k", values)
		c, _ := b.Context()
		values[0] = "b"
		if v, many, _ := c.Values("a:k"); v[0] != "a" || !many {
			t.Errorf("%q", v)
		}
	})
	t.Run("a used builder does not change the context", func(t *testing.T) {
		var b policy.ContextBuilder
		b.Set("a:k", "x")
		c, _ := b.Context()
		b.Set("a:l", "y")
		if _, _, ok := c.Values("a:l"); ok {
			t.Error("it did")
		}
	})
	t.Run("all keys", func(t *testing.T) {
		n := 0
		for k, v := range contextOf(t, map[string]any{"A:k": "x", "a:l": []any{"y"}}).All() {
			if n++; k == "A:k" && v[0] != "x" || k == "a:l" && v[0] != "y" {
				t.Errorf("%s %q", k, v)
			}
		}
		if n != 2 {
			t.Errorf("%d keys", n)
		}
	})
}

// TestUnanswered: what nobody could find out helps no Allow and stops no Deny,
// whatever the operator, and no variable stands for it.
func TestUnanswered(t *testing.T) {
	var b policy.ContextBuilder
	b.SetUnanswered("a:k", "nobody answers")
	b.Set("a:seen", "x")
	ctx, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	for _, condition := range []string{
		`{"StringEquals": {"a:k": "x"}}`, `{"StringNotEquals": {"A:K": "x"}}`, `{"StringLike": {"a:k": "*"}}`, `{"StringEqualsIfExists": {"a:k": "x"}}`, `{"BoolIfExists": {"a:k": "true"}}`,
		`{"NumericGreaterThanEquals": {"a:k": 0}}`, `{"NumericNotEqualsIfExists": {"a:k": 0}}`, `{"Null": {"a:k": "true"}}`, `{"Null": {"a:k": "false"}}`, `{"ForAllValues:StringEquals": {"a:k": "x"}}`,
		`{"ForAllValues:StringNotEquals": {"a:k": "x"}}`, `{"ForAnyValue:StringEquals": {"a:k": "x"}}`, `{"ForAnyValue:StringEqualsIfExists": {"a:k": "x"}}`, `{"ForAllValues:Null": {"a:k": "true"}}`, `{"StringEquals": {"a:k": []}}`,
		`{"StringEquals": {"a:seen": "${a:k}"}}`, `{"StringNotEquals": {"a:seen": "${a:k}"}}`, `{"StringLike": {"a:seen": "*${a:k, 'x'}"}}`, `{"ArnNotLike": {"a:k": "arn:*:*:*:*:*"}}`,
	} {
		if got := outcome(t, condition, ctx); got != "unknown" {
			t.Errorf("%s %s", condition, got)
		}
	}
	if got := outcome(t, `{"StringEquals": {"a:seen": "x"}}`, ctx); got != "holds" {
		t.Error("another key", got)
	}
	d := mustParse(t, policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a:k": "true"}}`))
	x := policy.Explain(policy.Request{Principal: policy.RootPrincipal("111122223333"), Action: "a:b", Resource: "*", Context: ctx}, policy.Set{Identity: []*policy.Document{d}})
	if got := x.Text(true); !strings.Contains(got, "a:k is not known: nobody answers") {
		t.Error(got)
	}
	b.SetUnanswered("a:k", "x")
	b.Set("A:k", "x")
	if _, err := b.Context(); err == nil {
		t.Error("a key has a value that nobody knows")
	}
}
