#!/bin/sh
# Fuzzes every target of the module, one after the other, each for the time
# given (5s). A crash fails at once and leaves its input in testdata/fuzz.
set -eu
time=${1:-5s}
go=${GO:-go}
targets=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' internal); do
    for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
        echo "fuzz $(dirname "$file") $target"
        $go test "./$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x >/tmp/mayfly-fuzz.$$ 2>&1 || {
            cat /tmp/mayfly-fuzz.$$
            rm -f /tmp/mayfly-fuzz.$$
            exit 1
        }
        targets=$((targets + 1))
    done
done
rm -f /tmp/mayfly-fuzz.$$
echo "$targets fuzz targets ran $time each without a crash"
