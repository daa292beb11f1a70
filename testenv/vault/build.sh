#!/bin/sh
# Builds a real Vault 1.14.8, the last under MPL-2.0, from the Go modules into the
# user's cache, once per version: its core and HTTP API in memory, with the auth
# methods jwt and aws and the key/value engine (server/). Prints the program on
# standard output and progress on standard error. Some five minutes on two cores, and
# two and a half gigabytes of modules.
set -eu
cd "$(dirname "$0")"
key=$(cat build.sh server/go.mod server/go.sum server/main.go server/cli.go originalbody/originalbody.go | sha256sum | cut -c1-12)
cache=${MAYFLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mayfly}
program=$cache/vault-$key/vault
if [ ! -x "$program" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/vault-build-XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    echo "building Vault, once (about five minutes on two cores)" >&2
    module=github.com/hashicorp/vault
    go -C server mod download "$module"
    source=$(go -C server list -m -f '{{.Dir}}' "$module")
    cp -r "$source" "$work/vault" && chmod -R u+w "$work/vault"
    # Vault 1.14.8 was built with a copy of its sdk that was never published. With the
    # nearest one that was, four things differ: a method's name, two functions, and that
    # a path which creates says how it knows what exists, as stubs of Enterprise do not.
    sed -i 's/^func (bus \*pluginEventBus) Send(/func (bus *pluginEventBus) SendEvent(/' "$work/vault/vault/eventbus/bus.go"
    sed -i 's/logical\.CreateOperation, //' "$work/vault/vault/logical_system_helpers.go"
    cp -r originalbody "$work/vault/originalbody"
    for file in http/util.go vault/request_handling.go vault/logical_system_raft.go; do
        sed -i 's/logical\.\(ContextOriginalBodyValue\|CreateContextOriginalBody\)/originalbody.\1/
0,/^import (/s##import (\n\t"github.com/hashicorp/vault/originalbody"#' "$work/vault/$file"
    done
    cp server/go.mod "$work/build.mod" && cp server/go.sum "$work/build.sum"
    go mod edit -replace "$module=$work/vault" "$work/build.mod"
    mkdir -p "$(dirname "$program")"
    go -C server build -modfile="$work/build.mod" -trimpath -ldflags '-s -w' -o "$program.new" .
    mv "$program.new" "$program"
    echo "built: $program" >&2
fi
echo "$program"
