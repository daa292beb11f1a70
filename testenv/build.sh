#!/bin/sh
# Builds kube-apiserver, kube-controller-manager, etcd and kubectl, from the Go
# modules, as one program in the user's cache, once per version. Prints the
# program's path on standard output and progress on standard error.
set -eu
cd "$(dirname "$0")"
version=$(sed -n 's,^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\)$,\1,p' go.mod)
key=$(cat go.mod go.sum cmd/kubernetes/*.go build.sh | sha256sum | cut -c1-12)
cache=${MAYFLY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mayfly}
dir=$cache/kubernetes-$version-$key
if [ ! -x "$dir/kubernetes" ]; then
    mkdir -p "$dir"
    echo "building the real Kubernetes $version API server, etcd and kubectl, once (about five minutes on two cores)" >&2
    major=$(echo "$version" | cut -d. -f1 | tr -d v)
    minor=$(echo "$version" | cut -d. -f2)
    go build -trimpath -o "$dir/kubernetes.new" -ldflags "-s -w \
        -X k8s.io/component-base/version.gitVersion=$version \
        -X k8s.io/component-base/version.gitMajor=$major -X k8s.io/component-base/version.gitMinor=$minor" ./cmd/kubernetes &
    build=$!
    trap 'kill $build 2>/dev/null' INT TERM
    seconds=0
    while kill -0 $build 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        if [ $((seconds % 30)) -eq 0 ]; then echo "  still building after ${seconds}s" >&2; fi
    done
    wait $build
    mv "$dir/kubernetes.new" "$dir/kubernetes"
    ln -sf kubernetes "$dir/kubectl"
    echo "built in ${seconds}s: $dir/kubernetes" >&2
fi
echo "$dir/kubernetes"
