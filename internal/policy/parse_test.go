package policy_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// statement wraps the inside of a statement into a document.
func statement(inside string) string {
	return `{"Version": "2012-10-17", "Statement": [{` + inside + `}]}`
}

const (
	permissionBase = `"Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": "*"`
	trustBase      = `"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"`
	resourceBase   = `"Effect": "Allow", "Principal": "*", "Action": "eks:DescribeCluster", "Resource": "*"`
)

func TestParseAccepts(t *testing.T) {
	for name, tt := range map[string]struct {
		kind policy.Kind
		text string
	}{
		"the story's trust policy":                         {policy.Trust, deployTrust},
		"one statement without a list":                     {policy.Permission, `{"Version": "2012-10-17", "Statement": {` + permissionBase + `}}`},
		"no version, which is the old one":                 {policy.Permission, `{"Statement": {` + permissionBase + `}}`},
		"the old version by name":                          {policy.Trust, `{"Version": "2008-10-17", "Statement": {` + trustBase + `}}`},
		"an Id":                                            {policy.Permission, `{"Version": "2012-10-17", "Id": "x", "Statement": {` + permissionBase + `}}`},
		"two statements with an empty Sid":                 {policy.Permission, `{"Statement": [{"Sid": "", ` + permissionBase + `}, {"Sid": "", ` + permissionBase + `}]}`},
		"a Condition without operators":                    {policy.Permission, statement(permissionBase + `, "Condition": {}`)},
		"an operator without keys, whatever its name":      {policy.Permission, statement(permissionBase + `, "Condition": {"Sometimes": {}}`)},
		"a key without values":                             {policy.Permission, statement(permissionBase + `, "Condition": {"StringEquals": {"aws:userid": []}}`)},
		"numbers and booleans as values":                   {policy.Permission, statement(permissionBase + `, "Condition": {"NumericEquals": {"a:n": [1, "2", -0.5]}, "Bool": {"a:b": [true, "FALSE"]}, "StringEquals": {"a:s": [1, true]}}`)},
		"null among resources":                             {policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": [null, "*"]`)},
		"an ARN that stops early":                          {policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": "arn:aws:eks"`)},
		"a key with a port in it":                          {policy.Trust, statement(trustBase + `, "Condition": {"StringEquals": {"gitlab.example.com:8443:sub": "x"}}`)},
		"every action a trust policy is about":             {policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "Action": ["sts:AssumeRole", "STS:assumerolewithwebidentity", "sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext", "sts:*"]`)},
		"every form of principal":                          {policy.Resource, statement(`"Effect": "Deny", "NotPrincipal": {"AWS": ["*", "111122223333", "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/a/b", "arn:aws:sts::111122223333:assumed-role/b/s", "arn:aws:iam::111122223333:user/u", "arn:aws:sts::111122223333:federated-user/f", "AROAEXAMPLEEXAMPLE123", "AIDAZZZZZZZZZZZZZZ099", "arn:aws-cn:iam::111122223333:role/x"], "Federated": ["arn:aws:iam::111122223333:oidc-provider/gitlab.example.com:8443/path", "arn:aws:iam::111122223333:saml-provider/x", "accounts.google.com"], "Service": ["ec2.amazonaws.com", "s3-Z9.amazonaws.com"], "CanonicalUser": "79a59d"}, "Action": "*", "Resource": "*"`)},
		"a variable with a default":                        {policy.Permission, statement(`"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:PrincipalTag/team, 'all'}/${*}${?}${$}"`)},
		"an unfinished variable, under the old version":    {policy.Permission, `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws"}}`},
		"an access point of s3 in a region":                {policy.Permission, statement(`"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:eu-central-1:111122223333:accesspoint/x"`)},
		"an IAM resource by a wildcard":                    {policy.Permission, statement(`"Effect": "Allow", "Action": "iam:*", "Resource": ["arn:aws:iam::*:*", "arn:aws:iam::111122223333:ro*", "arn:aws:iam::111122223333:role/${aws:PrincipalTag/r}"]`)},
		"a managed policy as a boundary":                   {policy.Boundary, statement(permissionBase)},
		"the old version in a resource policy":             {policy.Resource, `{"Version": "2008-10-17", "Statement": {` + resourceBase + `}}`},
		"a Deny with NotPrincipal in a resource policy":    {policy.Resource, statement(`"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}, "Action": "*", "Resource": "*"`)},
		"ids of 16 and of 128 characters":                  {policy.Resource, statement(`"Effect": "Allow", "Principal": {"AWS": ["AROA123456789012", "AROA` + strings.Repeat("1", 124) + `"]}, "Action": "*", "Resource": "*"`)},
		"a service's name of every allowed character":      {policy.Permission, statement(`"Effect": "Allow", "Action": ["az-09.AZ:x"], "Resource": "*"`)},
		"an action no service has, which no request names": {policy.Permission, statement(`"Effect": "Allow", "Action": "iam: x y", "Resource": "*"`)},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := policy.Parse(tt.kind, []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(tt.text, `"Id"`) != (d.ID() == "x") {
				t.Errorf("Id %q", d.ID())
			}
			if d.Kind() != tt.kind || string(d.Text()) != tt.text || len(d.Statements()) == 0 {
				t.Errorf("kind %v, %d statements, text %s", d.Kind(), len(d.Statements()), d.Text())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const syntax, legacy = "Syntax errors in policy.", "The policy failed legacy parsing"
	const trustActions = "AssumeRole policy may only specify STS AssumeRole actions."
	permission := func(inside string) string { return statement(permissionBase + inside) }
	for _, tt := range []struct {
		name   string
		kind   policy.Kind
		text   string
		reason policy.Reason
		detail string
	}{
		{"no kind", 0, deployTrust, policy.ReasonProhibited, syntax},
		{"a kind that is none", policy.Resource + 1, deployTrust, policy.ReasonProhibited, syntax},
		{"nothing at all", policy.Permission, ``, policy.ReasonJSON, syntax},
		{"no JSON in a trust policy", policy.Trust, `{`, policy.ReasonJSON, "This policy contains invalid Json"},
		{"a name twice", policy.Permission, `{"Statement": [], "Statement": {` + permissionBase + `}}`, policy.ReasonJSON, syntax},
		{"an element twice in a statement", policy.Permission, permission(`, "Effect": "Deny"`), policy.ReasonJSON, syntax},
		{"text behind the document", policy.Permission, permission(``) + `{}`, policy.ReasonJSON, syntax},
		{"a list instead of a document", policy.Permission, `[]`, policy.ReasonStructure, syntax},
		{"null instead of a document", policy.Permission, `null`, policy.ReasonStructure, syntax},
		{"a top-level element nobody knows", policy.Permission, `{"Conditions": {}, "Statement": {` + permissionBase + `}}`, policy.ReasonElement, syntax},
		{"an element in the wrong case", policy.Permission, `{"statement": {` + permissionBase + `}}`, policy.ReasonElement, syntax},
		{"a version of the future", policy.Permission, `{"Version": "2022-10-17", "Statement": {` + permissionBase + `}}`, policy.ReasonVersion, syntax},
		{"a version that is a number", policy.Permission, `{"Version": 2012, "Statement": {` + permissionBase + `}}`, policy.ReasonVersion, syntax},
		{"a null version", policy.Permission, `{"Version": null, "Statement": {` + permissionBase + `}}`, policy.ReasonVersion, syntax},
		{"a managed policy of the old version", policy.Managed, `{"Statement": {` + permissionBase + `}}`, policy.ReasonVersion, "Policy document must be version 2012-10-17 or greater."},
		{"a boundary of the old version", policy.Boundary, `{"Version": "2008-10-17", "Statement": {` + permissionBase + `}}`, policy.ReasonVersion, "Policy document must be version 2012-10-17 or greater."},
		{"an Id that is a number", policy.Permission, `{"Id": 1, "Statement": {` + permissionBase + `}}`, policy.ReasonStructure, syntax},
		{"no statement", policy.Permission, `{"Version": "2012-10-17"}`, policy.ReasonStructure, syntax},
		{"an empty list of statements", policy.Permission, `{"Statement": []}`, policy.ReasonStructure, syntax},
		{"a statement that is text", policy.Permission, `{"Statement": "allow"}`, policy.ReasonStructure, syntax},
		{"a statement in the list that is text", policy.Permission, `{"Statement": ["allow"]}`, policy.ReasonStructure, syntax},
		{"a statement's element nobody knows", policy.Permission, permission(`, "NotCondition": {}`), policy.ReasonElement, syntax},
		{"a Sid that is no string", policy.Permission, permission(`, "Sid": []`), policy.ReasonStructure, syntax},
		{"a Sid twice", policy.Permission, `{"Statement": [{"Sid": "a", ` + permissionBase + `}, {"Sid": "a", ` + permissionBase + `}]}`, policy.ReasonSid, "Statement IDs (SID) in a single policy must be unique."},
		{"no Effect", policy.Permission, statement(`"Action": "a:b", "Resource": "*"`), policy.ReasonEffect, syntax},
		{"an Effect in lower case", policy.Permission, statement(`"Effect": "allow", "Action": "a:b", "Resource": "*"`), policy.ReasonEffect, legacy},
		{"another Effect", policy.Permission, statement(`"Effect": "Audit", "Action": "a:b", "Resource": "*"`), policy.ReasonEffect, syntax},
		{"an Effect that is a list", policy.Permission, statement(`"Effect": ["Allow"], "Action": "a:b", "Resource": "*"`), policy.ReasonStructure, syntax},

		{"no actions", policy.Permission, statement(`"Effect": "Allow", "Resource": "*"`), policy.ReasonAction, "Policy statement must contain actions."},
		{"an empty list of actions", policy.Permission, statement(`"Effect": "Allow", "Action": [], "Resource": "*"`), policy.ReasonAction, "Policy statement must contain actions."},
		{"an empty list of NotActions, which would be all actions", policy.Permission, statement(`"Effect": "Allow", "NotAction": [], "Resource": "*"`), policy.ReasonAction, "Policy statement must contain actions."},
		{"Action and NotAction", policy.Permission, permission(`, "NotAction": "a:c"`), policy.ReasonStructure, syntax},
		{"an action that is a number", policy.Permission, statement(`"Effect": "Allow", "Action": 1, "Resource": "*"`), policy.ReasonStructure, syntax},
		{"null among actions", policy.Permission, statement(`"Effect": "Allow", "Action": [null], "Resource": "*"`), policy.ReasonStructure, syntax},
		{"an action without a service", policy.Permission, statement(`"Effect": "Allow", "Action": "DescribeCluster", "Resource": "*"`), policy.ReasonAction, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"an empty action", policy.Permission, statement(`"Effect": "Allow", "Action": "", "Resource": "*"`), policy.ReasonAction, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"an action with two colons", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b:c", "Resource": "*"`), policy.ReasonAction, "Actions/Condition can contain only one colon."},
		{"an action of any service", policy.Permission, statement(`"Effect": "Allow", "Action": "*:Get", "Resource": "*"`), policy.ReasonAction, "Vendor * is not valid"},
		{"an action of an empty service", policy.Permission, statement(`"Effect": "Allow", "Action": ":Get", "Resource": "*"`), policy.ReasonAction, "Vendor  is not valid"},

		{"no resources", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b"`), policy.ReasonResource, "Policy statement must contain resources."},
		{"no resources but null", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "NotResource": [null]`), policy.ReasonResource, "Policy statement must contain resources."},
		{"Resource and NotResource", policy.Permission, permission(`, "NotResource": []`), policy.ReasonStructure, syntax},
		{"a resource that is an object", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": {}`), policy.ReasonStructure, syntax},
		{"a null resource outside a list", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": null`), policy.ReasonStructure, syntax},
		{"a resource that is no ARN", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "bucket"`), policy.ReasonResource, `Resource bucket must be in ARN format or "*".`},
		{"a resource that begins with something else", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "ARN:aws:s3:::x"`), policy.ReasonResource, `Resource ARN:aws:s3:::x must be in ARN format or "*".`},
		{"a resource of a foreign partition", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:mars:s3:::x"`), policy.ReasonResource, `Partition "mars" is not valid for resource "arn:mars:s3:::x".`},
		{"a resource of any service", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:*:::x"`), policy.ReasonResource, "Resource vendor must be fully qualified and cannot contain regexes."},
		{"a resource of no service", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws::::x"`), policy.ReasonResource, legacy},
		{"a resource with a part too few", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3::x"`), policy.ReasonResource, legacy},
		{"an IAM resource in a region", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:iam:eu-central-1::role/x"`), policy.ReasonResource, "IAM resource arn:aws:iam:eu-central-1::role/x cannot contain region information."},
		{"an IAM resource that IAM has not", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:iam:::bucket"`), policy.ReasonResource, `IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`},
		{"a resource of two parts", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "a:b"`), policy.ReasonResource, `Partition "b" is not valid for resource "arn:b:*:*:*:*".`},
		{"a resource of two known parts", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws"`), policy.ReasonResource, "Resource vendor must be fully qualified and cannot contain regexes."},
		{"an unfinished variable early in a resource", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:eks:${aws"`), policy.ReasonResource, legacy},
		{"a bucket in a region", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:eu-central-1::x"`), policy.ReasonResource, "Resource arn:aws:s3:eu-central-1::x can not contain region information."},
		{"a variable in the account of a resource", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:eks:*:${aws:PrincipalAccount}:cluster/x"`), policy.ReasonResource, legacy},
		{"a variable that does not end", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${aws:userid"`), policy.ReasonVariable, legacy},
		{"a variable that names nothing", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${}"`), policy.ReasonVariable, legacy},
		{"a default without quotes", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${a:b, c}"`), policy.ReasonVariable, legacy},

		{"a default of half a quote", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${a:b, '}"`), policy.ReasonVariable, legacy},
		{"a default with a quote in front alone", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${a:b, 'c}"`), policy.ReasonVariable, legacy},
		{"a default with a quote behind alone", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${a:b, c'}"`), policy.ReasonVariable, legacy},
		{"a default of two texts", policy.Permission, statement(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:aws:s3:::x/${a:b, 'c'd'}"`), policy.ReasonVariable, legacy},
		{"a service with an underscore in an action", policy.Permission, statement(`"Effect": "Allow", "Action": "a_b:c", "Resource": "*"`), policy.ReasonAction, "Vendor a_b is not valid"},
		{"a service with an at sign in an action", policy.Permission, statement(`"Effect": "Allow", "Action": "a@b:c", "Resource": "*"`), policy.ReasonAction, "Vendor a@b is not valid"},
		{"a Principal in a permission policy", policy.Permission, permission(`, "Principal": "*"`), policy.ReasonProhibited, "Policy document should not specify a principal."},
		{"a NotPrincipal in a session policy", policy.SessionPolicy, permission(`, "NotPrincipal": {"AWS": "111122223333"}`), policy.ReasonProhibited, "Policy document should not specify a principal."},
		{"no Principal in a trust policy", policy.Trust, statement(`"Effect": "Allow", "Action": "sts:AssumeRole"`), policy.ReasonPrincipal, "Missing required field Principal"},
		{"no Principal in a resource policy", policy.Resource, statement(permissionBase), policy.ReasonPrincipal, "Missing required field Principal"},
		{"NotPrincipal in a trust policy", policy.Trust, statement(`"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"`), policy.ReasonProhibited, "Has prohibited field NotPrincipal."},
		{"NotPrincipal with Allow", policy.Resource, statement(`"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "*", "Resource": "*"`), policy.ReasonProhibited, syntax},
		{"Principal and NotPrincipal", policy.Resource, statement(resourceBase + `, "NotPrincipal": "*"`), policy.ReasonStructure, syntax},
		{"a Resource in a trust policy", policy.Trust, statement(trustBase + `, "Resource": "*"`), policy.ReasonProhibited, "Has prohibited field Resource."},
		{"a NotResource in a trust policy", policy.Trust, statement(trustBase + `, "NotResource": "*"`), policy.ReasonProhibited, "Has prohibited field Resource."},
		{"a NotAction in a trust policy", policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "NotAction": "sts:AssumeRole"`), policy.ReasonProhibited, trustActions},
		{"another action of STS in a trust policy", policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "Action": "sts:GetCallerIdentity"`), policy.ReasonAction, trustActions},
		{"a misspelt action in a trust policy", policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "Action": "sts:TagSessions"`), policy.ReasonAction, trustActions},
		{"all actions in a trust policy", policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "Action": "*"`), policy.ReasonAction, trustActions},
		{"another service's action in a trust policy", policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "Action": "eks:*"`), policy.ReasonAction, trustActions},

		{"a condition that is a list", policy.Permission, permission(`, "Condition": []`), policy.ReasonStructure, syntax},
		{"a null condition", policy.Permission, permission(`, "Condition": null`), policy.ReasonStructure, syntax},
		{"an operator that holds text", policy.Permission, permission(`, "Condition": {"StringEquals": "x"}`), policy.ReasonStructure, syntax},
		{"an operator nobody knows", policy.Permission, permission(`, "Condition": {"StringMatches": {"a:b": "x"}}`), policy.ReasonOperator, syntax},
		{"an operator in lower case", policy.Permission, permission(`, "Condition": {"stringEquals": {"a:b": "x"}}`), policy.ReasonOperator, syntax},
		{"a set form nobody knows", policy.Permission, permission(`, "Condition": {"ForSomeValues:StringEquals": {"a:b": "x"}}`), policy.ReasonOperator, syntax},
		{"two set forms", policy.Permission, permission(`, "Condition": {"ForAnyValue:ForAllValues:StringEquals": {"a:b": "x"}}`), policy.ReasonOperator, syntax},
		{"IfExists twice", policy.Permission, permission(`, "Condition": {"StringEqualsIfExistsIfExists": {"a:b": "x"}}`), policy.ReasonOperator, syntax},
		{"NullIfExists", policy.Permission, permission(`, "Condition": {"NullIfExists": {"a:b": "true"}}`), policy.ReasonOperator, syntax},
		{"an empty key", policy.Permission, permission(`, "Condition": {"StringEquals": {"": "x"}}`), policy.ReasonKey, syntax},
		{"a key with a space behind it", policy.Permission, permission(`, "Condition": {"StringEquals": {"a:b ": "x"}}`), policy.ReasonKey, syntax},
		{"a variable in a key", policy.Permission, permission(`, "Condition": {"StringEquals": {"aws:RequestTag/${aws:userid}": "x"}}`), policy.ReasonKey, syntax},
		{"a control character in a key", policy.Permission, permission(`, "Condition": {"StringEquals": {"a:\u0000b": "x"}}`), policy.ReasonKey, syntax},
		{"a control character at the beginning of a key", policy.Permission, permission(`, "Condition": {"StringEquals": {"\u007fa:b": "x"}}`), policy.ReasonKey, syntax},
		{"a value that is an object", policy.Permission, permission(`, "Condition": {"StringEquals": {"a:b": {}}}`), policy.ReasonStructure, syntax},
		{"a null value", policy.Permission, permission(`, "Condition": {"StringEquals": {"a:b": [null]}}`), policy.ReasonStructure, syntax},
		{"a list in a list of values", policy.Permission, permission(`, "Condition": {"StringEquals": {"a:b": [["x"]]}}`), policy.ReasonStructure, syntax},
		{"a number that is none", policy.Permission, permission(`, "Condition": {"NumericEquals": {"a:b": "ten"}}`), policy.ReasonValue, legacy},
		{"a number with an exponent", policy.Permission, permission(`, "Condition": {"NumericEquals": {"a:b": 1e3}}`), policy.ReasonValue, legacy},
		{"a date that is none", policy.Permission, permission(`, "Condition": {"DateLessThan": {"a:b": "tomorrow"}}`), policy.ReasonValue, legacy},
		{"a Bool that is none", policy.Permission, permission(`, "Condition": {"Bool": {"a:b": "yes"}}`), policy.ReasonValue, legacy},
		{"a Null that is neither", policy.Permission, permission(`, "Condition": {"Null": {"a:b": "x"}}`), policy.ReasonValue, legacy},
		{"bytes that are not base64", policy.Permission, permission(`, "Condition": {"BinaryEquals": {"a:b": "?"}}`), policy.ReasonValue, legacy},
		{"an address block that is none", policy.Permission, permission(`, "Condition": {"IpAddress": {"a:b": "203.0.113.0/33"}}`), policy.ReasonValue, legacy},
		{"an address with a zone", policy.Permission, permission(`, "Condition": {"IpAddress": {"a:b": "fe80::1%eth0"}}`), policy.ReasonValue, legacy},
		{"an ARN with five parts", policy.Permission, permission(`, "Condition": {"ArnLike": {"a:b": "arn:aws:iam::111122223333"}}`), policy.ReasonValue, legacy},
		{"a block that holds IPv4 and more", policy.Permission, permission(`, "Condition": {"IpAddress": {"a:b": "::ffff:0:0/95"}}`), policy.ReasonValue, legacy},
		{"an ARN with an unfinished variable", policy.Permission, permission(`, "Condition": {"ArnLike": {"a:b": "arn:aws:iam::*:role/${x"}}`), policy.ReasonValue, legacy},
		{"a wildcard for an ARN, whose parts are matched one by one", policy.Permission, permission(`, "Condition": {"ArnLike": {"a:b": "*"}}`), policy.ReasonValue, legacy},
		{"a variable where none is put in", policy.Permission, permission(`, "Condition": {"Bool": {"a:b": "${aws:SecureTransport}"}}`), policy.ReasonValue, legacy},
		{"an unfinished variable in a value", policy.Permission, permission(`, "Condition": {"StringEquals": {"a:b": "x${aws:userid"}}`), policy.ReasonValue, legacy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := policy.Parse(tt.kind, []byte(tt.text))
			e, ok := err.(*policy.SyntaxError)
			if !ok || d != nil {
				t.Fatalf("Parse = %v, %v", d, err)
			}
			if e.Reason != tt.reason || e.Detail != tt.detail {
				t.Errorf("reason %d, detail %q; want %d, %q (%v)", e.Reason, e.Detail, tt.reason, tt.detail, e)
			}
			if e.Line < 1 || e.Column < 1 || e.Offset > len(tt.text) || e.Explanation == "" {
				t.Errorf("%+v does not say what and where", e)
			}
		})
	}
}

func TestParseRefusesPrincipals(t *testing.T) {
	for name, tt := range map[string]struct{ typ, text string }{
		"a role by a wildcard":                 {"AWS", "arn:aws:iam::111122223333:role/*"},
		"an account of eleven digits":          {"AWS", "11112222333"},
		"an account with dashes":               {"AWS", "1111-2222-3333"},
		"a role in no account":                 {"AWS", "arn:aws:iam:::role/x"},
		"a role in a region":                   {"AWS", "arn:aws:iam:eu-central-1:111122223333:role/x"},
		"a role of a foreign partition":        {"AWS", "arn:mars:iam::111122223333:role/x"},
		"a role without a name":                {"AWS", "arn:aws:iam::111122223333:role/"},
		"a session without a name":             {"AWS", "arn:aws:sts::111122223333:assumed-role/x"},
		"a group, which cannot ask":            {"AWS", "arn:aws:iam::111122223333:group/x"},
		"a cluster, which cannot ask":          {"AWS", "arn:aws:eks:eu-central-1:111122223333:cluster/x"},
		"a provider under AWS":                 {"AWS", "arn:aws:iam::111122223333:oidc-provider/gitlab.com"},
		"an id that is too short":              {"AWS", "AROAX"},
		"an id of fifteen characters":          {"AWS", "AROA12345678901"},
		"an id of 129 characters":              {"AWS", "AROA" + strings.Repeat("1", 125)},
		"an id in lower case":                  {"AWS", "aroaexampleexample123"},
		"an id with a lower-case letter":       {"AWS", "AROAEXAMPLEEXAMPLe123"},
		"the empty text":                       {"AWS", ""},
		"anyone federated":                     {"Federated", "*"},
		"a provider by its URL":                {"Federated", "https://gitlab.com"},
		"a provider by its host":               {"Federated", "gitlab.com"},
		"a provider by a wildcard":             {"Federated", "arn:aws:iam::111122223333:oidc-provider/*"},
		"a provider without a name":            {"Federated", "arn:aws:iam::111122223333:oidc-provider/"},
		"a role under Federated":               {"Federated", "arn:aws:iam::111122223333:role/x"},
		"any service":                          {"Service", "*"},
		"a service without a domain":           {"Service", "ec2"},
		"a service with an underscore":         {"Service", "ec2_x.amazonaws.com"},
		"a service with an at sign":            {"Service", "ec2@amazonaws.com"},
		"a canonical user by a wildcard":       {"CanonicalUser", "*"},
		"a type of principal that nobody uses": {"Anyone", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse(policy.Trust, []byte(statement(fmt.Sprintf(`"Effect": "Allow", "Principal": {%q: %q}, "Action": "sts:AssumeRole"`, tt.typ, tt.text))))
			e, ok := err.(*policy.SyntaxError)
			if !ok || e.Reason != policy.ReasonPrincipal {
				t.Fatalf("%v", err)
			}
			if want := fmt.Sprintf(`Invalid principal in policy: "%s":"%s"`, tt.typ, tt.text); tt.typ != "Anyone" && e.Detail != want {
				t.Errorf("detail %q, want %q", e.Detail, want)
			}
		})
	}
	for name, element := range map[string]string{
		"an ARN without a type": `"arn:aws:iam::111122223333:root"`, "a list": `["*"]`, "an empty object": `{}`,
		"an empty list": `{"AWS": []}`, "a number": `7`, "a number in it": `{"AWS": 111122223333}`, "null": `null`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse(policy.Trust, []byte(statement(`"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": `+element)))
			if err == nil {
				t.Error("accepted")
			}
		})
	}
}

// TestFirstFaultIsAWSs: of several faults AWS names the one its checks come to
// first, wherever it stands.
func TestFirstFaultIsAWSs(t *testing.T) {
	for name, tt := range map[string]struct{ text, detail string }{
		"structure before the version":      {`{"Statement": {"Effect": "Allow", "Action": {}, "Resource": "*"}}`, "Syntax errors in policy."},
		"the version before a bad date":     {`{"Statement": {` + permissionBase + `, "Condition": {"DateEquals": {"a": "x"}}}}`, "Policy document must be version 2012-10-17 or greater."},
		"a bad date before missing actions": {statement(`"Effect": "Allow", "Resource": "*", "Condition": {"DateEquals": {"a": "x"}}`), "The policy failed legacy parsing"},
		"missing actions before a bad resource, in a later statement": {
			`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "x"}, {"Effect": "Allow", "Resource": "*"}]}`, "Policy statement must contain actions."},
		"a bad resource before a bad action": {statement(`"Effect": "Allow", "Action": "x", "Resource": "x"`), `Resource x must be in ARN format or "*".`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse(policy.Managed, []byte(tt.text))
			if e, ok := err.(*policy.SyntaxError); !ok || e.Detail != tt.detail {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestSyntaxErrorSaysWhere(t *testing.T) {
	text := "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {" + permissionBase + "},\n    {\"Effect\": \"Allow\", \"Action\": \"eks:*\", \"Resource\": \"*\",\n     \"Condition\": {\"DateLessThan\": {\"aws:CurrentTime\": \"soon\"}}}\n  ]\n}"
	_, err := policy.Parse(policy.Permission, []byte(text))
	want := `line 6, column 56: statement 2: DateLessThan of aws:CurrentTime cannot compare with "soon": it is not a date like 2026-11-23T03:00:00Z, nor seconds since 1970`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestDocumentIsItsOwn(t *testing.T) {
	text := []byte(deployTrust)
	d, err := policy.Parse(policy.Trust, text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	out := d.Text()
	if string(out) != deployTrust {
		t.Error("the document changed with the caller's bytes")
	}
	clear(out)
	if !bytes.Equal(d.Text(), []byte(deployTrust)) {
		t.Error("the document changed with the bytes it gave")
	}
}

func TestViewOfAStatement(t *testing.T) {
	d := mustParse(t, policy.Trust, deployTrust)
	s := d.Statements()[0]
	if s.Sid() != "Deploy" || s.Name() != `statement "Deploy"` || s.Index() != 0 || s.Denies() || s.Position().Line != 1 || d.Version() != "2012-10-17" {
		t.Errorf("%q %q %d %v %v", s.Sid(), s.Name(), s.Index(), s.Denies(), s.Position())
	}
	names, not := s.Principals()
	if len(names) != 1 || not || names[0].Type != policy.Federated || names[0].Text != gitlab.String() {
		t.Errorf("principals %+v %v", names, not)
	}
	if actions, not := s.Actions(); len(actions) != 1 || not || actions[0] != "sts:AssumeRoleWithWebIdentity" {
		t.Errorf("actions %v %v", actions, not)
	}
	if resources, not := s.Resources(); resources != nil || not {
		t.Errorf("resources %v %v", resources, not)
	}
	c := s.Conditions()
	if len(c) != 2 || c[1].Key() != "gitlab.com:sub" || !c[1].IsKey("GitLab.com:SUB") || c[1].Operator().Test != policy.StringLike || c[1].Operator().String() != "StringLike" {
		t.Fatalf("conditions %+v", c)
	}
	if at := c[1].Position(); deployTrust[at.Offset:at.Offset+16] != `"gitlab.com:sub"` || at.Line != 4 {
		t.Errorf("the second condition is said to stand at %v", at)
	}
}

// TestWhereAStatementStands: from its brace to just behind the other.
func TestWhereAStatementStands(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"one":             {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "1:37-1:83"},
		"in a list":       {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, "1:38-1:84"}, // as AWS's API reference has it
		"two, over lines": {"{\"Statement\": [\n {\"Effect\":\"Allow\",\n\"Action\":\"*\",\"Resource\":\"*\" } ,\n{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":[\"*\"]}\n]}", "2:2-3:30 4:1-4:48"},
	} {
		var got []string
		for _, s := range mustParse(t, policy.Permission, tt.text).Statements() {
			from, to := s.Position(), s.End()
			got = append(got, fmt.Sprintf("%d:%d-%d:%d", from.Line, from.Column, to.Line, to.Column))
			if part := tt.text[from.Offset:to.Offset]; part[0] != '{' || part[len(part)-1] != '}' {
				t.Errorf("%s: it is said to be %s", name, part)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestKeysOfAStatement(t *testing.T) {
	d := mustParse(t, policy.Permission, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a:b","Resource":["*","arn:aws:s3:::${a:bucket}/${a:bucket}${*}"],
		"Condition":{"StringEquals":{"a:key":["x","${a:value, 'y'}"],"A:BUCKET":"z"},"ArnLike":{"a:arn":"arn:aws:iam::${a:account}:role/*"},"StringLike":{"a:like":"*${a:value}"},"Bool":{"a:bool":"true"},"Null":{"a:null":"true"}}},
		{"Effect":"Allow","Action":"a:b","Resource":"*"}]}`)
	if got, want := strings.Join(d.Statements()[0].Keys(), " "), "a:bucket a:key a:value a:arn a:account a:like a:bool a:null"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := d.Statements()[1].Keys(); len(got) != 0 {
		t.Errorf("one that asks about none asks about %v", got)
	}
	old := mustParse(t, policy.Permission, `{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:s3:::${a:bucket}"}}`)
	if got := old.Statements()[0].Keys(); len(got) != 0 {
		t.Errorf("before 2012 there are no variables: %v", got)
	}
}

func TestTestCompares(t *testing.T) {
	for _, tt := range []struct {
		test     policy.Test
		yes, not []string
	}{
		{policy.StringEquals, []string{"", "x"}, nil},
		{policy.NumericEquals, []string{"1", "-0.5"}, []string{"", "x", "1e3"}},
		{policy.NumericLessThan, []string{"1"}, []string{"x"}},
		{policy.DateEquals, []string{"2026-11-23T03:00:00Z", "1700000000"}, []string{"", "tomorrow"}},
		{policy.DateGreaterThanEquals, []string{"2026-11-23T03:00:00Z"}, []string{"x"}},
		{policy.Bool, []string{"true", "False"}, []string{"", "yes"}},
		{policy.BinaryEquals, []string{"", "QQ=="}, []string{"QQ", "?"}},
		{policy.IPAddress, []string{"192.0.2.1", "::1"}, []string{"", "192.0.2.0/24", "fe80::1%eth0"}},
	} {
		for _, v := range tt.yes {
			if !tt.test.Compares(v) {
				t.Errorf("%v does not compare %q", tt.test, v)
			}
		}
		for _, v := range tt.not {
			if tt.test.Compares(v) {
				t.Errorf("%v compares %q", tt.test, v)
			}
		}
	}
}

func TestPartsOfAValue(t *testing.T) {
	d := mustParse(t, policy.Permission, statement(permissionBase+`, "Condition": {"StringLike": {"a:b": "x*${aws:userid, 'me'}?${*}y"}, "StringEquals": {"a:b": "x*"}, "Bool": {"a:c": true}}`))
	c := d.Statements()[0].Conditions()
	var b strings.Builder
	for _, p := range c[0].Values()[0].Parts() {
		fmt.Fprintf(&b, "%d %q %q;", p.Kind, p.Text, p.Default)
	}
	want := fmt.Sprintf(`%d "x" "";%d "" "";%d "aws:userid" "me";%d "" "";%d "*y" "";`, policy.Literal, policy.AnyRun, policy.Variable, policy.AnyChar, policy.Literal)
	if b.String() != want {
		t.Errorf("got  %s\nwant %s", b.String(), want)
	}
	if p := c[1].Values()[0].Parts(); len(p) != 1 || p[0].Kind != policy.Literal || p[0].Text != "x*" {
		t.Errorf("StringEquals has parts %+v", p)
	}
	if v := c[2].Values()[0]; v.Parts() != nil || v.Text() != "true" {
		t.Errorf("Bool has parts %+v of %q", v.Parts(), v.Text())
	}
}

func TestBind(t *testing.T) {
	trust := mustParse(t, policy.Trust, statement(`"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:role/ci/build", "arn:aws:sts::111122223333:assumed-role/build/s1", "AROABAREBAREBAREBARE1"]}, "Action": "sts:AssumeRole"`))
	build := arn.Role{Account: "111122223333", Path: "/ci/", Name: "build"}
	ids := map[arn.Role]string{build: "AROAFIRSTFIRSTFIRST01", {Account: "111122223333", Name: "build"}: "AROAFIRSTFIRSTFIRST01"}
	find := func(r arn.Role) (string, bool) { id, ok := ids[r]; return id, ok }

	may := func(d *policy.Document, roleID, session string) bool {
		s := arn.Session{Account: "111122223333", Role: "build", Name: session}
		return policy.Evaluate(policy.Request{Principal: policy.SessionPrincipal(build, roleID, s), Action: "sts:AssumeRole"},
			policy.Set{Resource: []*policy.Document{d}, ResourceAccount: "111122223333"}).Allowed()
	}
	if may(trust, "AROAFIRSTFIRSTFIRST01", "s1") {
		t.Error("a trust policy whose roles are bound to no ids trusts one by name")
	}
	if !may(trust, "AROABAREBAREBAREBARE1", "s2") {
		t.Error("a bare id needs no binding")
	}
	bound, err := trust.Bind(find)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		id, session string
		want        bool
	}{
		"the role itself":                               {"AROAFIRSTFIRSTFIRST01", "s2", true},
		"the session named":                             {"AROAFIRSTFIRSTFIRST01", "s1", true},
		"a role made anew under the same name":          {"AROASECONDSECONDSEC01", "s2", false},
		"the session's name, of a role made anew":       {"AROASECONDSECONDSEC01", "s1", false},
		"a role without an id":                          {"", "s1", false},
		"the role named by its bare id, whatever it is": {"AROABAREBAREBAREBARE1", "s2", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := may(bound, tt.id, tt.session); got != tt.want {
				t.Errorf("allowed: %v", got)
			}
		})
	}
	if may(trust, "AROAFIRSTFIRSTFIRST01", "s1") {
		t.Error("Bind changed the document it was called on")
	}
	if stored := bound.BoundRoles(); len(stored) != 2 || stored[build] != "AROAFIRSTFIRSTFIRST01" {
		t.Errorf("BoundRoles = %v", stored)
	}
	if string(bound.Text()) != string(trust.Text()) {
		t.Error("Bind changed the text")
	}

	delete(ids, build)
	_, err = trust.Bind(find)
	e, ok := err.(*policy.SyntaxError)
	if !ok || e.Reason != policy.ReasonPrincipal || e.Detail != `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:role/ci/build"` {
		t.Errorf("a role that does not exist: %v", err)
	}
}

// TestUnboundDenyStillDenies: a Deny that names a role by ARN reaches it
// whether bound or not.
func TestUnboundDenyStillDenies(t *testing.T) {
	d := mustParse(t, policy.Trust, `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
		{"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::111122223333:role/build"}, "Action": "sts:AssumeRole"}]}`)
	build := arn.Role{Account: "111122223333", Path: "/", Name: "build"}
	got := policy.Evaluate(policy.Request{Principal: policy.RolePrincipal(build, "AROAFIRSTFIRSTFIRST01"), Action: "sts:AssumeRole"},
		policy.Set{Resource: []*policy.Document{d}, ResourceAccount: "111122223333"})
	if got.Effect != policy.ExplicitDeny {
		t.Errorf("%v", got.Effect)
	}
}
