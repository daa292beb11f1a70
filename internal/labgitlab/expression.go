package labgitlab

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// GitLab's expression language of rules:if, workflow:rules:if and
// only:variables (lib/gitlab/ci/pipeline/expression), with its own lexer order,
// precedences and Ruby's notion of truth: in && and || only null and false are
// false, so an empty string counts as true there; the whole expression and !
// ask for "present", so an empty or blank string counts as false.

// maxExpressionTokens is GitLab's MAX_TOKENS; its lexer stops one short of it.
const maxExpressionTokens = 100

// expression is a parsed, immutable rules:if.
type expression struct {
	text string
	root operand
}

// operand computes a value: nil, bool, string or *regexp.Regexp.
type operand interface {
	value(variables lookup) any
}

// lookup finds a variable's unexpanded value.
type lookup func(name string) (string, bool)

type lexeme uint8

const (
	lexOpen lexeme = iota
	lexClose
	lexInput
	lexVariable
	lexString
	lexPattern
	lexNull
	lexBool
	lexEquals
	lexMatches
	lexNotEquals
	lexNotMatches
	lexAnd
	lexOr
	lexNot
)

// lexemes in GitLab's order: the first that matches wins, so `!=` must stand
// before `!`.
var lexemes = []struct {
	lexeme  lexeme
	pattern *regexp.Regexp
}{
	{lexOpen, regexp.MustCompile(`^\(`)},
	{lexClose, regexp.MustCompile(`^\)`)},
	{lexInput, regexp.MustCompile(`^\$\[\[[^\]]*\]\]`)},
	{lexVariable, regexp.MustCompile(`^\$(\w+)`)},
	{lexString, regexp.MustCompile(`^(?:"(.*?)"|'(.*?)')`)},
	{lexPattern, regexp.MustCompile(`^/([^/]|\\/)+[^\\]/[ismU]*`)},
	{lexNull, regexp.MustCompile(`^null`)},
	{lexBool, regexp.MustCompile(`^(?:true|false)\b`)},
	{lexEquals, regexp.MustCompile(`^==`)},
	{lexMatches, regexp.MustCompile(`^=~`)},
	{lexNotEquals, regexp.MustCompile(`^!=`)},
	{lexNotMatches, regexp.MustCompile(`^!~`)},
	{lexAnd, regexp.MustCompile(`^&&`)},
	{lexOr, regexp.MustCompile(`^\|\|`)},
	{lexNot, regexp.MustCompile(`^!`)},
}

// precedence as GitLab's lexemes give it; a smaller number binds tighter.
func (l lexeme) precedence() int {
	switch l {
	case lexNot:
		return 1
	case lexAnd:
		return 11
	case lexOr:
		return 12
	case lexClose:
		return 900
	case lexOpen:
		return 901
	default: // the comparisons
		return 10
	}
}

func (l lexeme) literal() bool { return l >= lexInput && l <= lexBool }
func (l lexeme) binary() bool  { return l >= lexEquals && l <= lexOr }

type token struct {
	lexeme lexeme
	text   string
}

// errExpressionInput marks an expression that uses $[[ inputs.… ]].
var errExpressionInput = errors.New("inputs")

// parseExpression reads an expression. Its errors say what is wrong, in a
// sentence without a place.
func parseExpression(text string) (expression, error) {
	tokens, err := lexExpression(text)
	if err != nil {
		return expression{}, err
	}
	output, err := reversePolish(tokens)
	if err != nil {
		return expression{}, err
	}
	root, err := buildExpression(output)
	if err != nil {
		return expression{}, err
	}
	return expression{text: text, root: root}, nil
}

func lexExpression(text string) ([]token, error) {
	var tokens []token
	for rest := text; ; {
		rest = strings.TrimLeft(rest, " \t\r\n\f\v")
		if len(tokens) >= maxExpressionTokens {
			return nil, errors.New("too many tokens")
		}
		if rest == "" {
			return tokens, nil
		}
		next, ok := lexOne(rest)
		if !ok {
			return nil, fmt.Errorf("cannot read it from %q on", rest)
		}
		if next.lexeme == lexInput {
			return nil, errExpressionInput
		}
		tokens = append(tokens, next)
		rest = rest[len(next.text):]
	}
}

func lexOne(text string) (token, bool) {
	for _, l := range lexemes {
		if found := l.pattern.FindString(text); found != "" {
			return token{l.lexeme, found}, true
		}
	}
	return token{}, false
}

// reversePolish is the shunting-yard algorithm with GitLab's rule for popping.
func reversePolish(tokens []token) ([]token, error) {
	var output, operators []token
	popWhile := func(l lexeme) {
		for len(operators) > 0 && l.precedence() >= operators[len(operators)-1].lexeme.precedence() {
			output = append(output, operators[len(operators)-1])
			operators = operators[:len(operators)-1]
		}
	}
	for _, t := range tokens {
		switch {
		case t.lexeme.literal():
			output = append(output, t)
		case t.lexeme == lexOpen || t.lexeme == lexNot:
			operators = append(operators, t)
		case t.lexeme == lexClose:
			popWhile(lexClose)
			if len(operators) == 0 {
				return nil, errors.New("unmatched parenthesis")
			}
			operators = operators[:len(operators)-1]
		default:
			popWhile(t.lexeme)
			operators = append(operators, t)
		}
	}
	for i := len(operators) - 1; i >= 0; i-- {
		output = append(output, operators[i])
	}
	return output, nil
}

func buildExpression(output []token) (operand, error) {
	var stack []operand
	pop := func() operand {
		if len(stack) == 0 {
			return nil
		}
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		return top
	}
	for _, t := range output {
		switch {
		case t.lexeme.literal():
			literal, err := buildLiteral(t)
			if err != nil {
				return nil, err
			}
			stack = append(stack, literal)
		case t.lexeme == lexNot:
			inner := pop()
			if inner == nil {
				return nil, errors.New("! has nothing to negate")
			}
			stack = append(stack, negation{inner})
		case t.lexeme.binary():
			right, left := pop(), pop()
			if left == nil || right == nil {
				return nil, fmt.Errorf("%s lacks an operand", t.text)
			}
			stack = append(stack, comparison{t.lexeme, left, right})
		default:
			return nil, errors.New("unmatched parenthesis")
		}
	}
	switch len(stack) {
	case 0:
		return nil, errors.New("it is empty")
	case 1:
		return stack[0], nil
	default:
		return nil, errors.New("two values stand side by side")
	}
}

type literal struct{ of any }

func (l literal) value(lookup) any { return l.of }

type variableOperand string

func (v variableOperand) value(variables lookup) any {
	if value, ok := variables(string(v)); ok {
		return value
	}
	return nil
}

func buildLiteral(t token) (operand, error) {
	switch t.lexeme {
	case lexVariable:
		return variableOperand(t.text[1:]), nil
	case lexString:
		return literal{t.text[1 : len(t.text)-1]}, nil
	case lexBool:
		return literal{t.text == "true"}, nil
	case lexPattern:
		compiled, err := compilePattern(t.text)
		if err != nil {
			return nil, err
		}
		return literal{compiled}, nil
	default: // null
		return literal{nil}, nil
	}
}

var patternForm = regexp.MustCompile(`^/(.*)/([ismU]*)$`)

// compilePattern compiles GitLab's /pattern/flags. Both GitLab and Go use
// RE2's syntax, without look-around and back-references.
func compilePattern(text string) (*regexp.Regexp, error) {
	parts := patternForm.FindStringSubmatch(strings.ReplaceAll(text, `\/`, `/`))
	if parts == nil {
		return nil, fmt.Errorf("%s is not a /pattern/", text)
	}
	pattern := parts[1]
	if parts[2] != "" {
		pattern = "(?" + parts[2] + ")" + pattern
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s is not a regular expression in RE2 syntax", text)
	}
	return compiled, nil
}

type negation struct{ of operand }

func (n negation) value(variables lookup) any { return !present(n.of.value(variables)) }

type comparison struct {
	lexeme      lexeme
	left, right operand
}

func (c comparison) value(variables lookup) any {
	left := c.left.value(variables)
	switch c.lexeme {
	case lexAnd:
		if !truthy(left) {
			return left
		}
		return c.right.value(variables)
	case lexOr:
		if truthy(left) {
			return left
		}
		return c.right.value(variables)
	}
	right := c.right.value(variables)
	switch c.lexeme {
	case lexEquals:
		return equalValues(left, right)
	case lexNotEquals:
		return !equalValues(left, right)
	case lexMatches:
		return truthy(right) && matchesValue(left, right)
	default: // lexNotMatches
		return !truthy(right) || !matchesValue(left, right)
	}
}

// equalValues compares without coercion, save that a boolean literal equals
// the string that spells it.
func equalValues(left, right any) bool {
	if l, ok := left.(*regexp.Regexp); ok {
		r, ok := right.(*regexp.Regexp)
		return ok && l.String() == r.String()
	}
	if _, ok := right.(*regexp.Regexp); ok {
		return false
	}
	if left == nil || right == nil {
		return left == nil && right == nil
	}
	return scalarText(left) == scalarText(right)
}

// matchesValue matches text against a pattern. A variable holding /pattern/ is
// compiled; one holding other text is searched *for* the left side, as Ruby's
// String#scan does it.
func matchesValue(text, pattern any) bool {
	subject := ""
	if text != nil {
		subject = scalarText(text)
	}
	if compiled, ok := pattern.(*regexp.Regexp); ok {
		return compiled.MatchString(subject)
	}
	written := scalarText(pattern)
	if compiled, err := compilePattern(written); err == nil {
		return compiled.MatchString(subject)
	}
	return strings.Contains(written, subject)
}

func scalarText(v any) string {
	switch v := v.(type) {
	case bool:
		return fmt.Sprint(v)
	case string:
		return v
	case *regexp.Regexp:
		return v.String()
	default:
		return ""
	}
}

func truthy(v any) bool { return v != nil && v != false }

// present is Rails' Object#present?: not null, not false, not blank.
func present(v any) bool {
	if text, ok := v.(string); ok {
		return strings.TrimSpace(text) != ""
	}
	return truthy(v)
}

// holds evaluates the whole expression. The zero expression never holds.
func (e expression) holds(variables lookup) bool {
	return e.root != nil && present(e.root.value(variables))
}
