package labgitlab

import (
	"bytes"
	"io"
	"slices"
)

var masked = []byte("[MASKED]")

// maskWriter replaces secrets in a job's output by [MASKED], also where a
// secret is split over writes. Where secrets overlap or touch, one [MASKED]
// stands for all of them, so that no end of the longer one is left over. Like
// GitLab's it knows a secret only as it is written: encoded, it passes.
type maskWriter struct {
	to      io.Writer
	secrets [][]byte
	pending []byte // not yet written: it may be the beginning of a secret
	covered []bool // of pending: part of a secret
	inside  bool   // the last byte written on was part of a secret
}

// newMaskWriter masks the given values; empty ones are left out. Close must be
// called to write what is held back.
func newMaskWriter(to io.Writer, secrets []string) *maskWriter {
	m := &maskWriter{to: to}
	for _, secret := range secrets {
		if secret != "" {
			m.secrets = append(m.secrets, []byte(secret))
		}
	}
	return m
}

// Write takes output on; it holds back at most one secret's length.
func (m *maskWriter) Write(p []byte) (int, error) {
	m.pending = append(m.pending, p...)
	m.covered = append(m.covered, make([]bool, len(p))...)
	for _, secret := range m.secrets {
		m.cover(secret)
	}
	if err := m.pass(len(m.pending) - m.held()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// cover marks every occurrence of one secret, overlapping ones included.
func (m *maskWriter) cover(secret []byte) {
	for from := 0; ; {
		at := bytes.Index(m.pending[from:], secret)
		if at < 0 {
			return
		}
		from += at
		for i := range secret {
			m.covered[from+i] = true
		}
		from++
	}
}

// held is the length of the longest end of pending that a secret begins with.
func (m *maskWriter) held() int {
	longest := 0
	for _, secret := range m.secrets {
		for n := min(len(secret)-1, len(m.pending)); n > longest; n-- {
			if bytes.HasSuffix(m.pending, secret[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// pass writes the first n pending bytes on.
func (m *maskWriter) pass(n int) error {
	for start := 0; start < n; {
		end := start + 1
		for end < n && m.covered[end] == m.covered[start] {
			end++
		}
		chunk := m.pending[start:end]
		if m.covered[start] {
			chunk = masked
			if m.inside {
				chunk = nil
			}
		}
		m.inside = m.covered[start]
		if _, err := m.to.Write(chunk); err != nil {
			return err
		}
		start = end
	}
	m.pending = slices.Delete(m.pending, 0, n)
	m.covered = slices.Delete(m.covered, 0, n)
	return nil
}

// Close writes what was held back. It does not close the writer below.
func (m *maskWriter) Close() error { return m.pass(len(m.pending)) }
