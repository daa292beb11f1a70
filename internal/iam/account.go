package iam

import "strings"

// CheckAlias checks an account's alias (IAM CreateAccountAlias).
func CheckAlias(alias string) error {
	if len(alias) < 3 || len(alias) > 63 || strings.Trim(alias, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasPrefix(alias, "-") || strings.HasSuffix(alias, "-") || strings.Contains(alias, "--") {
		return Refuse(InvalidValue, "The specified value for accountAlias is invalid. It is 3 to 63 lower-case letters, digits and single hyphens, and neither begins nor ends with a hyphen.")
	}
	return nil
}
