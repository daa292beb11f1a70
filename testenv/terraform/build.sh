#!/bin/sh
# Builds OpenTofu and the real AWS provider of Terraform, the latter for IAM, EKS
# and STS alone, from the Go modules into the user's cache, once per version.
# Prints the folder of both programs on standard output and progress on standard
# error. Some five minutes on two cores, and four gigabytes of modules.
set -eu
cd "$(dirname "$0")"
key=$(cat build.sh */go.mod */go.sum trim/main.go | sha256sum | cut -c1-12)
cache=${MAYFLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mayfly}
dir=$cache/terraform-$key
if [ ! -x "$dir/terraform-provider-aws" ] || [ ! -x "$dir/tofu" ]; then
    mkdir -p "$dir"
    work=$(mktemp -d "$cache/terraform-build-XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    echo "building OpenTofu and the AWS provider, once (about five minutes on two cores)" >&2
    go -C tofu build -trimpath -ldflags '-s -w' -o "$dir/tofu" github.com/opentofu/opentofu/cmd/tofu
    # The module is a fork's copy of the provider under a version that the module
    # proxy keeps; the checksums in go.sum hold it, and the checksum database,
    # which does not know it, is not asked.
    export GONOSUMDB='github.com/upbound/*'
    module=github.com/hashicorp/terraform-provider-aws
    go -C provider mod download "$module"
    source=$(go -C provider list -m -f '{{.Dir}}' "$module")
    cp -r "$source" "$work/provider" && chmod -R u+w "$work/provider"
    go run ./trim/main.go "$work/provider"
    cp provider/go.mod "$work/build.mod" && cp provider/go.sum "$work/build.sum"
    go mod edit -replace "$module=$work/provider" "$work/build.mod"
    go -C provider build -modfile="$work/build.mod" -trimpath -ldflags '-s -w' -o "$dir/terraform-provider-aws" "$module"
    echo "built: $dir" >&2
fi
echo "$dir"
