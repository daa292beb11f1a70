package labgitlab

import (
	"strings"
	"testing"
)

// The language's table: GitLab's documentation examples, then the corners of
// its implementation.
func TestExpressions(t *testing.T) {
	variables := variableList{
		{Key: "CI_COMMIT_BRANCH", Value: "main"},
		{Key: "CI_DEFAULT_BRANCH", Value: "main"},
		{Key: "TAG", Value: "v1.2.3"},
		{Key: "EMPTY", Value: ""},
		{Key: "BLANK", Value: "  "},
		{Key: "TRUE", Value: "true"},
		{Key: "FALSE", Value: "false"},
		{Key: "NULL", Value: "null"},
		{Key: "PATTERN", Value: "/^v[0-9]+/"},
		{Key: "CASELESS", Value: "/^V1/i"},
		{Key: "WORD", Value: "foobar"},
		{Key: "REFERENCE", Value: "$TAG"},
		{Key: "A", Value: "a"}, {Key: "B", Value: "b"},
		{Key: "PATHS", Value: "/usr/local"},
	}
	for expression, want := range map[string]bool{
		`$CI_COMMIT_BRANCH == "main"`:             true,
		`$CI_COMMIT_BRANCH == 'main'`:             true,
		`"main" == $CI_COMMIT_BRANCH`:             true,
		`$CI_COMMIT_BRANCH == "Main"`:             false,
		`$CI_COMMIT_BRANCH == "main "`:            false,
		`$CI_COMMIT_BRANCH != "main"`:             false,
		`$CI_COMMIT_BRANCH=="main"`:               true,
		` $CI_COMMIT_BRANCH  ==  "main"`:          true,
		`$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH`: true,
		`$UNSET == null`:                          true,
		`$UNSET != null`:                          false,
		`$EMPTY == null`:                          false,
		`$EMPTY == ""`:                            true,
		`$UNSET == ""`:                            false,
		`$NULL == null`:                           false,
		`$NULL == "null"`:                         true,
		`$CI_COMMIT_BRANCH`:                       true,
		`$UNSET`:                                  false,
		`$EMPTY`:                                  false,
		`$BLANK`:                                  false,
		`$FALSE`:                                  true, // a word, not a truth value
		`"text"`:                                  true,
		`""`:                                      false,
		`null`:                                    false,
		`true`:                                    true,
		`false`:                                   false,
		`$TRUE == true`:                           true,
		`$TRUE == "true"`:                         true,
		`$FALSE == false`:                         true,
		`$TRUE == false`:                          false,
		`$UNSET == false`:                         false,
		`$REFERENCE == "v1.2.3"`:                  false, // compared as written
		`$REFERENCE == "$TAG"`:                    true,

		`$TAG =~ /^v\d+\.\d+\.\d+$/`:    true,
		`$TAG =~ /^v\d+\.\d+$/`:         false,
		`$TAG =~ /1.2/`:                 true,
		`$TAG =~ /^V1/`:                 false,
		`$TAG =~ /^V1/i`:                true,
		`$TAG !~ /^v/`:                  false,
		`$TAG !~ /^x/`:                  true,
		`$TAG =~ $PATTERN`:              true,
		`$CI_COMMIT_BRANCH =~ $PATTERN`: false,
		`$TAG =~ $CASELESS`:             true,
		`$UNSET =~ /.+/`:                false,
		`$UNSET !~ /.+/`:                true,
		`$TAG =~ $UNSET`:                false,
		`$TAG !~ $UNSET`:                true,
		`$PATHS =~ /\/usr\/local/`:      true,
		`$PATHS =~ /^\/opt/`:            false,
		`"foo" =~ $WORD`:                true, // a string that is no /pattern/ is searched for the left side
		`"baz" =~ $WORD`:                false,
		`"main" =~ /ma|xx/`:             true,

		`$A && $B`:                              true,
		`$A && $UNSET`:                          false,
		`$UNSET || $B`:                          true,
		`$UNSET || $EMPTY`:                      false,
		`$EMPTY && $B`:                          true,  // Ruby: an empty string is not false…
		`$EMPTY || $B`:                          false, // …so || stops at it, and it is not present
		`$A == "a" && $B == "b"`:                true,
		`$A == "a" && $B == "x"`:                false,
		`$A == "x" || $B == "b"`:                true,
		`$A == "a" || $B == "b" && $A == "x"`:   true,
		`($A == "a" || $B == "b") && $A == "x"`: false,
		`$A == "x" && $B == "b" || $A == "a"`:   true,
		`$A == "x" && ($B == "b" || $A == "a")`: false,
		`(($A == "a"))`:                         true,
		`!$UNSET`:                               true,
		`!$A`:                                   false,
		`$A !`:                                  false, // GitLab's parser takes it for !$A
		`!$EMPTY`:                               true,
		`!($A == "x")`:                          true,
		`!($A == "a") || $B == "b"`:             true,
		`!$A == false`:                          true,
		"$A == \"a\"\n  && $B == \"b\"":         true,
	} {
		parsed, err := parseExpression(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got := parsed.holds(variables.lookup()); got != want {
			t.Errorf("%s is %v, want %v", expression, got, want)
		}
	}
}

func TestExpressionsThatAreNone(t *testing.T) {
	for _, expression := range []string{
		"", "   ", "$", "main", "==", `$A ==`, `== $A`, `$A $B`, `$A == "a" "b"`, `$A = "a"`, `$A & $B`,
		`($A`, `$A)`, `()`, `!`, `&& $A`, `$A &&`, `$A || `, `"unclosed`, `'unclosed`, `$A == "a'`,
		`$A =~ /unclosed`, `$A =~ /[/`, `$A =~ /(/`, `$A =~ /(?=look)/`, `$A =~ /a\1/`, `$A =~ //`, `$A -eq 1`, `$A > 1`, `${A} == "a"`,
		`$A == $[[ inputs.x ]]`, `1 == 1`,
		strings.Repeat("$A && ", 49) + "$A && $A",
		strings.Repeat("(", 60) + "$A" + strings.Repeat(")", 60),
	} {
		if parsed, err := parseExpression(expression); err == nil {
			t.Errorf("%.80q was read", expression)
		} else if parsed.root != nil {
			t.Errorf("%.80q: an error and a value", expression)
		}
	}
	if (expression{}).holds(nil) {
		t.Error("the zero expression holds")
	}
}

func TestExpressionSizeLimitIsGitLabs(t *testing.T) {
	if _, err := parseExpression(strings.Repeat("$A && ", 49) + "$A"); err != nil { // 99 tokens
		t.Error(err)
	}
}

func FuzzExpression(f *testing.F) {
	for _, seed := range []string{`$A == "a" && ($B =~ /x/i || !$C)`, `"a" != null`, `$TAG !~ $PATTERN`, `((true))`, `/a/`, `$[[x]]`} {
		f.Add(seed, "value")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := parseExpression(text)
		if err != nil {
			if parsed.root != nil {
				t.Fatal("an error and a value")
			}
			return
		}
		variables := variableList{{Key: "A", Value: value}, {Key: "PATTERN", Value: value}}
		holds := parsed.holds(variables.lookup())
		negated, err := parseExpression("!(" + text + ")")
		if err == nil && negated.holds(variables.lookup()) == holds {
			t.Fatalf("%q and its negation agree", text)
		}
	})
}
