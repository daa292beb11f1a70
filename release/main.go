// Command release makes what people install of mayfly, byte for byte the same
// wherever it runs: a program for each platform with their checksums, manual
// pages, and a container image. It needs Go and nothing else; in particular no
// container engine.
//
// It installs nothing, signs nothing and sends nothing anywhere.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// release is what is asked for.
type release struct {
	source  string // the repository
	out     string // where to write
	version string
	goTool  string

	platforms []platform
}

func main() {
	var r release
	flag.StringVar(&r.source, "source", "..", "`DIR` of the repository")
	flag.StringVar(&r.out, "out", "../dist", "`DIR` to write to")
	flag.StringVar(&r.version, "version", "0.0.0-dev", "`VERSION` that the programs say they are")
	flag.StringVar(&r.goTool, "go", "go", "`PROGRAM` that builds")
	flag.Func("platforms", "`LIST` of GOOS/GOARCH, such as linux/amd64 darwin/arm64", func(text string) (err error) {
		r.platforms, err = parsePlatforms(text)
		return err
	})
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: release [flags] programs|man|image")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := r.run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release: error:", err)
		os.Exit(1)
	}
}

func (r release) run(args []string) error {
	if len(args) != 1 {
		return errors.New("one of programs, man and image is wanted")
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	switch args[0] {
	case "programs":
		return r.programs()
	case "man":
		return r.man(filepath.Join(r.out, "man"))
	case "image":
		return r.image()
	}
	return fmt.Errorf("%q: programs, man and image are known", args[0])
}

// platform is an operating system and a processor, as Go names them.
type platform struct{ os, arch string }

func parsePlatforms(text string) (list []platform, err error) {
	for _, name := range strings.Fields(text) {
		system, arch, ok := strings.Cut(name, "/")
		if !ok || system == "" || arch == "" {
			return nil, fmt.Errorf("%q is no GOOS/GOARCH", name)
		}
		list = append(list, platform{system, arch})
	}
	return list, nil
}
