#!/bin/sh
# Measures Mayfly beside its peers. versitygw refuses to fetch keys from an
# issuer on the same machine, as it should; so a copy of its module is made
# without that one rule, built, and thrown away.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work" data-*' EXIT
module=github.com/versity/versitygw
go mod download "$module"
source=$(go list -m -f '{{.Dir}}' "$module")
cp -r "$source" "$work/peer" && chmod -R u+w "$work/peer"
guard=$work/peer/iamapi/internal/iamutil/oidc_thumbprint.go
sed -i 's/return ip.IsLoopback() || /return /' "$guard"
cmp -s "$guard" "$source/iamapi/internal/iamutil/oidc_thumbprint.go" && { echo "the rule to leave out is not in $guard" >&2; exit 1; }
cp go.mod "$work/peers.mod" && cp go.sum "$work/peers.sum"
go mod edit -replace "mayfly.internal=$(cd ../.. && pwd)" -replace "$module=$work/peer" "$work/peers.mod"
echo "$(go list -m "$module"), patched: isDisallowedFetchTarget lets loopback addresses through" >&2
go list -m sigs.k8s.io/aws-iam-authenticator >&2
go test -modfile="$work/peers.mod" -run '^$' -bench "${1:-.}" -benchtime 1x -timeout 20m .
