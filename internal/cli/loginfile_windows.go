package cli

import "io/fs"

// mineAlone reports whether a file is one; whose it is says the directory, which
// Windows gives to the user alone.
func mineAlone(info fs.FileInfo) bool { return info.Mode().IsRegular() }
