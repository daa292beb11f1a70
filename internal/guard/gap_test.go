package guard

import (
	"testing"

	"mayfly.internal/internal/regular"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"main": true, "release/1.x": true, "a;b&c": true, "fü": true, "x.locks": true, "-": false, "-a": false, "a b": false, "a:b": false, "a*": false, "a?": false,
		"": false, "a..b": false, "a//b": false, "a@{b": false, "a@b": true, "a/": false, "a.": false, "/a": false, ".a": false, "a/.b": false, "a.lock": false, "a.lock/b": false,
		"HEAD": false, "HEADS": true, "refs/heads/a": false, "refs/tags/a": true, "a\x01": false, "a\x7f": false, "a\\": false, "[": false, "]": true,
	} {
		if BranchNames().Contains(name) != want {
			t.Errorf("branch %q: %v", name, !want)
		}
	}
	if TagNames().Contains("refs/tags/a") || !TagNames().Contains("v1.0") {
		t.Error("tags")
	}
	for path, want := range map[string]bool{"acme": true, "acme/web-1.x": true, "a//b": false, "-a": false, "_a/.b": true, "a:b": false, "a/b.git": false, "a/b.atom": false, "a b": false, "": false, "a/": false} {
		if NamespacePaths().Contains(path) != want {
			t.Errorf("path %q: %v", path, !want)
		}
	}
	if !Numbers().Contains("10") || Numbers().Contains("01") || Numbers().Contains("") {
		t.Error("numbers")
	}
	for _, l := range []regular.Language{BranchNames(), TagNames(), NamespacePaths()} {
		if l.States() > 200 {
			t.Errorf("%d states", l.States())
		}
	}
}
