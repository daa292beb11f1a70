//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// mineAlone reports whether a file is the user's, and nobody else's to read or
// write.
func mineAlone(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid() && info.Mode().IsRegular() && info.Mode().Perm()&0o077 == 0
}
