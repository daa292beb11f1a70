package labgitlab

import (
	"errors"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// GitLab reads YAML with Ruby's Psych, whose plain scalars follow YAML 1.1.
// The forms below are Psych's ScalarScanner, so that `0644` is 420 and `1.10`
// is 1.1 here as there.
var (
	scalarWord    = regexp.MustCompile(`^[^\d.:-]?[\pL_\s!@#$%^&*(){}<>|/\\~;=]+|\n`)
	scalarDate    = regexp.MustCompile(`^\d{4}-\d{1,2}-\d{1,2}$`)
	scalarInf     = regexp.MustCompile(`(?i)^([-+]?)\.inf$`)
	scalarNaN     = regexp.MustCompile(`(?i)^\.nan$`)
	scalarBase60  = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}$`)
	scalarFloat   = regexp.MustCompile(`^[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][+-][0-9]+)?$`)
	scalarDot     = regexp.MustCompile(`^[-+]?\.$`)
	scalarInteger = regexp.MustCompile(`^([-+]?0[0-7_,]+|[-+]?(0|[1-9]([0-9]|,[0-9]|_[0-9])*)|[-+]?0[xX][0-9a-fA-F_,]+|[-+]?0[bB][01_,]+)$`)
)

var errDate = errors.New("an unquoted date: GitLab's YAML reader refuses it, quote it")

// resolveScalar gives a plain scalar its type and its text as Ruby's to_s
// prints it.
func resolveScalar(raw string) (kind, string, error) {
	switch {
	case raw == "":
		return kindNull, "", nil
	case scalarWord.MatchString(raw):
		return resolveWord(raw)
	case scalarDate.MatchString(raw):
		return kindNull, "", errDate
	case scalarInf.MatchString(raw):
		return kindFloat, strings.TrimPrefix(scalarInf.FindStringSubmatch(raw)[1], "+") + "Infinity", nil
	case scalarNaN.MatchString(raw):
		return kindFloat, "NaN", nil
	case raw[0] == ':' && len(raw) > 1:
		return kindString, rubySymbol(raw), nil
	case scalarBase60.MatchString(raw):
		return kindInt, base60(raw), nil
	case scalarFloat.MatchString(raw):
		return resolveFloat(raw)
	case scalarInteger.MatchString(raw):
		return resolveInteger(raw)
	}
	return kindString, raw, nil
}

func resolveWord(raw string) (kind, string, error) {
	if len(raw) > 5 {
		return kindString, raw, nil
	}
	switch strings.ToLower(raw) {
	case "~", "null":
		return kindNull, "", nil
	case "yes", "true", "on":
		return kindBool, "true", nil
	case "no", "false", "off":
		return kindBool, "false", nil
	}
	return kindString, raw, nil
}

// rubySymbol is the name of a symbol written :name or :"name".
func rubySymbol(raw string) string {
	name := raw[1:]
	if name[0] == '"' || name[0] == '\'' {
		return strings.Trim(name, name[:1])
	}
	return name
}

func base60(raw string) string {
	sign := ""
	if raw[0] == '-' || raw[0] == '+' {
		sign, raw = strings.TrimPrefix(raw[:1], "+"), raw[1:]
	}
	total := new(big.Int)
	for part := range strings.SplitSeq(strings.ReplaceAll(raw, "_", ""), ":") {
		digits, _ := new(big.Int).SetString(part, 10)
		total.Add(total.Mul(total, big.NewInt(60)), digits)
	}
	if total.Sign() == 0 {
		sign = ""
	}
	return sign + total.String()
}

func resolveFloat(raw string) (kind, string, error) {
	if scalarDot.MatchString(raw) {
		return kindString, raw, nil
	}
	value, err := strconv.ParseFloat(strings.NewReplacer(",", "", "_", "").Replace(raw), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return kindString, raw, nil
	}
	return kindFloat, rubyFloat(value), nil
}

// rubyFloat prints as Ruby's Float#to_s: always a decimal point, exponent form
// outside 1e-4 ≤ |x| < 1e16.
func rubyFloat(value float64) string {
	abs := max(value, -value)
	if abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		text := strconv.FormatFloat(value, 'e', -1, 64)
		mantissa, exponent, found := strings.Cut(text, "e")
		if !found {
			return strings.TrimPrefix(strings.Replace(text, "Inf", "Infinity", 1), "+")
		}
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		return mantissa + "e" + exponent
	}
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func resolveInteger(raw string) (kind, string, error) {
	digits := strings.NewReplacer(",", "", "_", "").Replace(raw)
	value, ok := new(big.Int).SetString(digits, 0)
	if !ok {
		return kindString, raw, nil
	}
	return kindInt, value.String(), nil
}
