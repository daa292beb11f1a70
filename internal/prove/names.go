package prove

import (
	"strings"
	"sync"

	"mayfly.internal/internal/regular"
)

// texts are languages that every shape shares.
type texts struct{ login, environment, sessionName, hex, application regular.Language }

// names are made once.
var names = sync.OnceValue(func() texts {
	w := regular.NewWork(1 << 18)
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	word := func(chars string) regular.Language { return regular.OneOf(strings.Split(chars, "")...) }
	many := func(chars string) regular.Language { return w.Concat(word(chars), w.Repeat(word(chars))) }
	times := func(chars string, n int) regular.Language {
		var all []regular.Language
		for range n {
			all = append(all, word(chars))
		}
		return w.Concat(all...)
	}
	sha := times("0123456789abcdef", 40)
	return texts{
		login:       many(letters + "_.-"),
		environment: many(letters + "_/\\${}. -"), // GitLab, Gitlab::Regex.environment_name_regex
		sessionName: w.Concat(word(letters+"_+=,.@-"), many(letters+"_+=,.@-")),
		hex:         w.Union(sha, w.Concat(sha, times("0123456789abcdef", 24))),
		application: times("0123456789abcdef", 64),
	}
})
