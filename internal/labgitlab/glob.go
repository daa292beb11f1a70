package labgitlab

import "strings"

// maxGlobAlternatives bounds the expansion of {a,b} in one pattern.
const maxGlobAlternatives = 1000

// globMatch is Ruby's File.fnmatch with FNM_PATHNAME, FNM_DOTMATCH and
// FNM_EXTGLOB, which GitLab uses for changes, exists and artifacts: `*` and `?`
// stop at `/`, `**/` crosses any number of directories, {a,b} are alternatives,
// [a-z] and [^a-z] are sets.
func globMatch(pattern, path string) bool {
	for _, alternative := range expandBraces(pattern) {
		if matchSegments(strings.Split(alternative, "/"), strings.Split(path, "/")) {
			return true
		}
	}
	return false
}

// expandBraces lists a pattern's alternatives; beyond the bound the rest stays
// as written.
func expandBraces(pattern string) []string {
	pending, done := []string{pattern}, []string(nil)
	for len(pending) > 0 {
		first := pending[0]
		pending = pending[1:]
		before, options, after, ok := cutBraces(first)
		if !ok || len(pending)+len(done)+len(options) > maxGlobAlternatives {
			done = append(done, first)
			continue
		}
		for _, option := range options {
			pending = append(pending, before+option+after)
		}
	}
	return done
}

// cutBraces finds the first {…} of a pattern.
func cutBraces(pattern string) (before string, options []string, after string, ok bool) {
	depth, start, last := 0, -1, 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '{':
			if depth++; depth == 1 {
				start, last = i, i+1
			}
		case c == ',' && depth == 1:
			options = append(options, pattern[last:i])
			last = i + 1
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				return pattern[:start], append(options, pattern[last:i]), pattern[i+1:], true
			}
		}
	}
	return "", nil, "", false
}

// matchSegments matches directory by directory, in time bounded by the product
// of the two lengths.
func matchSegments(pattern, path []string) bool {
	// reach[j] reports whether the pattern so far matches path[:j].
	reach := make([]bool, len(path)+1)
	reach[0] = true
	for i, segment := range pattern {
		next := make([]bool, len(path)+1)
		if segment == "**" && i < len(pattern)-1 {
			for j, open := 0, false; j <= len(path); j++ {
				open = open || reach[j]
				next[j] = open
			}
		} else {
			for j := range path {
				next[j+1] = reach[j] && matchSegment(segment, path[j])
			}
		}
		reach = next
	}
	return reach[len(path)]
}

// matchSegment matches within one directory name, backtracking only to the
// last `*`.
func matchSegment(pattern, name string) bool {
	p, n, star, mark := []rune(pattern), []rune(name), -1, 0
	i, j := 0, 0
	for j < len(n) {
		if i < len(p) && p[i] == '*' {
			star, mark = i, j
			i++
			continue
		}
		if width, ok := matchRune(p[min(i, len(p)):], n[j]); ok {
			i, j = i+width, j+1
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		i, j = star+1, mark
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// matchRune matches one rune and says how much of the pattern that took.
func matchRune(pattern []rune, r rune) (width int, ok bool) {
	if len(pattern) == 0 {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return matchSet(pattern, r)
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == r
		}
	}
	return 1, pattern[0] == r
}

func matchSet(pattern []rune, r rune) (width int, ok bool) {
	i, negated, inside := 1, false, false
	if i < len(pattern) && (pattern[i] == '^' || pattern[i] == '!') {
		negated = true
		i++
	}
	for first := true; i < len(pattern); first = false {
		if pattern[i] == ']' && !first {
			return i + 1, inside != negated
		}
		low := pattern[i]
		if low == '\\' && i+1 < len(pattern) {
			i++
			low = pattern[i]
		}
		i++
		high := low
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			high = pattern[i+1]
			i += 2
		}
		inside = inside || low <= r && r <= high
	}
	return 1, r == '[' // never closed: an ordinary character
}
