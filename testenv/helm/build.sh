#!/bin/sh
# Builds Helm from the Go modules into the user's cache, once per version. Prints
# the program's path on standard output and progress on standard error. Some two
# minutes on two cores.
set -eu
cd "$(dirname "$0")"
key=$(cat build.sh go.mod go.sum | sha256sum | cut -c1-12)
cache=${MAYFLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mayfly}
dir=$cache/helm-$key
if [ ! -x "$dir/helm" ]; then
    mkdir -p "$dir"
    echo "building Helm, once (about two minutes on two cores)" >&2
    go build -trimpath -ldflags '-s -w' -o "$dir/helm.new" helm.sh/helm/v3/cmd/helm
    mv "$dir/helm.new" "$dir/helm"
    echo "built: $dir/helm" >&2
fi
echo "$dir/helm"
