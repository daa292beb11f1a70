#!/bin/sh
# Fuzzes every target of the module and of test/, each for the time given (5s), as
# many at once as there are processors. A crash fails and leaves its input in
# testdata/fuzz.
set -eu
go=${GO:-go}

# fuzz DIRECTORY TARGET TIME fuzzes one target.
fuzz() {
    case $1 in
    test/*) in=test package=./${1#test/} ;;
    *) in=. package=./$1 ;;
    esac
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    echo "fuzz $1 $2"
    # go test sometimes takes the end of its time for a failure
    # (golang.org/issue/75804): there is no failing input then.
    $go -C "$in" test "$package" -run '^$' -fuzz "^$2\$" -fuzztime "$3" -fuzzminimizetime 10x -parallel 1 >"$log" 2>&1 ||
        { ! grep -q 'Failing input\|seed corpus' "$log" && grep -q 'context deadline exceeded' "$log"; } || {
        cat "$log"
        exit 255 # xargs starts no other
    }
}

if [ "${1:-}" = one ]; then
    fuzz "$2" "$3" "$4"
    exit
fi
time=${1:-5s}
targets=$(grep -r --include='*_test.go' '^func Fuzz' internal test | sed -n 's,^\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\)(.*,\1 \2,p' | sort)
export GO="$go"
echo "$targets" | sed "s/\$/ $time/" | xargs -n 3 -P "$(getconf _NPROCESSORS_ONLN)" "$0" one
echo "$(echo "$targets" | wc -l) fuzz targets ran $time each without a crash"
