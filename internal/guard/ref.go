package guard

import (
	"sync"

	"mayfly.internal/internal/regular"
)

// grammar is the languages of GitLab's names.
type grammar struct{ branch, tag, path, segment, number regular.Language }

// names are made once: they are the same everywhere.
var names = sync.OnceValue(func() grammar {
	w := regular.NewWork(1 << 20)
	not := func(l regular.Language, patterns ...string) regular.Language {
		for _, p := range patterns {
			l = w.Subtract(l, w.Wildcard(p))
		}
		return l
	}
	// git check-ref-format, and GitLab's validator. What begins with the digits
	// of a whole commit id is refused there too; it is not left out here.
	ref := w.Complement(w.Union(regular.Literal(""), anyOf(w, "\x7f ~^:?*[\\", 0x01, 0x1f)))
	for _, bad := range []string{"..", "//", "@{", "/."} {
		ref = w.Subtract(ref, w.Pattern(regular.Token{Kind: regular.AnyRun}, regular.Token{Text: bad}, regular.Token{Kind: regular.AnyRun}))
	}
	ref = not(ref, "*/", "*.", "/*", ".*", "*.lock", "*.lock/*", "-*", "HEAD", "refs/heads/*", "refs/remotes/*")
	// A path's segment as it may still exist; today's are fewer (GitLab's path_regex.rb).
	word := func(extra string) regular.Language {
		l := regular.Language{}
		for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_." + extra {
			l = w.Union(l, regular.Literal(string(c)))
		}
		return l
	}
	segment := not(w.Concat(word(""), w.Repeat(word("-"))), "*.git", "*.atom")
	digits := func(from string) regular.Language {
		return regular.OneOf(splitAll(from)...)
	}
	return grammar{
		branch:  ref,
		tag:     not(ref, "refs/tags/*"),
		segment: segment,
		path:    w.Concat(segment, w.Repeat(w.Concat(regular.Literal("/"), segment))),
		number:  w.Concat(digits("123456789"), w.Repeat(digits("0123456789"))),
	}
})

// anyOf is every text with one of some characters, or one from lo to hi, in it.
func anyOf(w *regular.Work, chars string, lo, hi byte) regular.Language {
	var l regular.Language
	for c := lo; c <= hi; c++ {
		chars += string(rune(c))
	}
	for _, c := range chars {
		l = w.Union(l, regular.Literal(string(c)))
	}
	return w.Concat(regular.Text(), l, regular.Text())
}

func splitAll(text string) []string {
	var out []string
	for _, c := range text {
		out = append(out, string(c))
	}
	return out
}

// BranchNames is every name a branch can have.
func BranchNames() regular.Language { return names().branch }

// TagNames is every name a tag can have.
func TagNames() regular.Language { return names().tag }

// SegmentNames is every name that a group or project can have within the one above.
func SegmentNames() regular.Language { return names().segment }

// NamespacePaths is every full path that a group or user can have.
func NamespacePaths() regular.Language { return names().path }

// Numbers is every id, as GitLab writes them in tokens.
func Numbers() regular.Language { return names().number }

// matching is the refs that a protection's name matches: itself, or where it has
// a `*`, what that stands for; no other character is special. (GitLab,
// app/models/ref_matcher.rb.)
func matching(w *regular.Work, name string) regular.Language {
	var tokens []regular.Token
	begin := 0
	for i := range len(name) {
		if name[i] == '*' {
			tokens = append(tokens, regular.Token{Text: name[begin:i]}, regular.Token{Kind: regular.AnyRun})
			begin = i + 1
		}
	}
	return w.Pattern(append(tokens, regular.Token{Text: name[begin:]})...)
}
