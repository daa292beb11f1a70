package policy

import (
	"strings"

	"mayfly.internal/internal/wildcard"
)

// matchAction compares an action with the Action or NotAction element; case
// does not count.
func (s *Statement) matchAction(name string) bool {
	for i := range s.actions {
		if s.actions[i].pattern.MatchFold(name) {
			return !s.notAction
		}
	}
	return s.notAction
}

// matchResource compares a resource with the Resource or NotResource element. A
// statement without one, in a trust policy, is about the role it belongs to.
//
// A pattern is compared with the whole ARN: a '*' reaches over colons, as AWS
// documents. A variable without a value makes a pattern that matches nothing,
// and a NotResource that cannot be evaluated. (IAM User Guide, "Resource",
// wildcards; "Policy variables with no value".)
func (s *Statement) matchResource(name string, ctx Context) truth {
	if s.resources == nil {
		return yes
	}
	t := no
	for i := range s.resources {
		matched, r := s.resources[i].match(name, ctx)
		switch {
		case matched:
			t = yes
		case t == no && (r == many || r == missing && s.notRes):
			t = unknown
		}
	}
	if s.notRes {
		return t.not()
	}
	return t
}

// partitions are AWS's; Mayfly serves the first, a policy may speak of all.
var partitions = map[string]bool{
	"aws": true, "aws-cn": true, "aws-us-gov": true, "aws-eusc": true,
	"aws-iso": true, "aws-iso-b": true, "aws-iso-e": true, "aws-iso-f": true,
}

// iamPaths are what the resource of an IAM ARN begins with.
var iamPaths = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/",
	"policy/", "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

// Texts of AWS for resources it refuses.
const (
	awsVendorUnclear = "Resource vendor must be fully qualified and cannot contain regexes."
	awsLegacy        = "The policy failed legacy parsing"
)

// resource compiles a pattern of the Resource or NotResource element, or
// refuses it.
func (p *parser) resource(text string, at int) (r resource, ok bool) {
	if text == "*" {
		return p.compileResource(text, text, at)
	}
	parts := splitARN(text, p.variables())
	refuse := func(ph phase, detail, what string) (resource, bool) {
		p.refuse(ph, at, ReasonResource, detail, "the resource %q %s", text, what)
		return resource{}, false
	}
	switch {
	case len(parts) < 2:
		return refuse(phaseResource, `Resource `+text+` must be in ARN format or "*".`, "is neither an ARN nor *")
	case !partitions[parts[1]] && isLiteral(parts[1]):
		return refuse(phaseResource, partitionDetail(text), "is of no partition of AWS")
	case parts[0] != "arn":
		return refuse(phaseResource, `Resource `+text+` must be in ARN format or "*".`, "does not begin with arn:")
	case len(parts) < 3, !isLiteral(parts[2]):
		return refuse(phaseResource, awsVendorUnclear, "does not name one service in its third part")
	case parts[2] == "":
		return refuse(phaseLegacy, awsLegacy, "has no service in its third part")
	case len(parts) < arnParts && strings.Contains(text, "::"):
		return refuse(phaseLegacy, awsLegacy, "has fewer than six parts, and empty ones among them")
	}
	if detail, what := refuseByService(text, parts); detail != "" {
		return refuse(phaseResource, detail, what)
	}
	for _, part := range parts[:min(len(parts), arnParts-1)] {
		if p.variables() && strings.Contains(part, "${") {
			return refuse(phaseLegacy, awsLegacy, "has a variable before its fifth colon")
		}
	}
	return p.compileResource(text, text+p.padding(text, len(parts)), at)
}

// padding completes an ARN that stops early: what is missing is anything. In a
// resource's own policy AWS does so only where the pattern has a wildcard.
func (p *parser) padding(text string, parts int) string {
	if parts >= arnParts || p.kind == Resource && isLiteral(text) {
		return ""
	}
	return strings.Repeat(":*", arnParts-parts)
}

func (p *parser) compileResource(text, pattern string, at int) (resource, bool) {
	t, problem := compileTemplate(pattern, true, p.variables())
	if problem != "" {
		p.refuse(phaseLegacy, at, ReasonVariable, awsLegacy, "the resource %q: %s", text, problem)
		return resource{}, false
	}
	return resource{text: text, template: t}, true
}

// refuseByService applies what AWS knows of two services' ARNs.
func refuseByService(text string, parts []string) (detail, what string) {
	regional := len(parts) > 3 && strings.Trim(parts[3], "*") != ""
	switch parts[2] {
	case "iam":
		if regional {
			return "IAM resource " + text + " cannot contain region information.", "names a region, and IAM has none"
		}
		if len(parts) == arnParts && !isIAMPath(parts[5]) {
			return `IAM resource path must either be "*" or start with ` + strings.Join(iamPaths, ", ") + ".", "names nothing that IAM has"
		}
	case "s3":
		if regional && !(len(parts) == arnParts && strings.HasPrefix(parts[5], "accesspoint/")) {
			return "Resource " + text + " can not contain region information.", "names a region, and buckets have none"
		}
	}
	return "", ""
}

// isIAMPath reports whether the resource part of an IAM ARN can name something:
// what stands before its first wildcard agrees with one of IAM's paths.
func isIAMPath(resource string) bool {
	fixed := resource
	if i := strings.IndexAny(resource, "*?$"); i >= 0 {
		fixed = resource[:i]
	}
	for _, path := range iamPaths {
		if strings.HasPrefix(resource, path) || fixed != resource && strings.HasPrefix(path, fixed) {
			return true
		}
	}
	return false
}

// partitionDetail is AWS's sentence for an ARN of no partition; it completes
// the ARN in its own way.
func partitionDetail(text string) string {
	_, rest, _ := strings.Cut(text, ":")
	partition, rest, _ := strings.Cut(rest, ":")
	parts := strings.SplitN(rest, ":", 4)
	if len(parts) == 1 && parts[0] == "" {
		parts[0] = "*"
	}
	for len(parts) < 4 {
		parts = append(parts, "*")
	}
	return `Partition "` + partition + `" is not valid for resource "arn:` + partition + ":" + strings.Join(parts, ":") + `".`
}

// isLiteral reports whether a pattern's text holds no wildcard.
func isLiteral(text string) bool { return !strings.ContainsAny(text, "*?") }

// action compiles a pattern of the Action or NotAction element, or refuses it.
func (p *parser) action(text string, at int) (a action, ok bool) {
	refuse := func(detail, what string) (action, bool) {
		p.refuse(phaseActionForm, at, ReasonAction, detail, "the action %q %s", text, what)
		return action{}, false
	}
	vendor, name, colon := strings.Cut(text, ":")
	switch {
	case p.kind == Trust && !trustable(text):
		p.refuse(phaseTrust, at, ReasonAction, awsTrustActions,
			"the action %q is none of those a trust policy is about: %s", text, strings.Join(trustActions, ", "))
		return action{}, false
	case text == "*":
	case !colon:
		return refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", "names no service before a colon")
	case strings.Contains(name, ":"):
		return refuse("Actions/Condition can contain only one colon.", "has more than one colon")
	case !isVendor(vendor):
		return refuse("Vendor "+vendor+" is not valid", "begins with what cannot be a service's name")
	}
	return action{text: text, pattern: wildcard.Compile(text)}, true
}

func isVendor(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || s[i] == '-' || s[i] == '.') {
			return false
		}
	}
	return s != ""
}
