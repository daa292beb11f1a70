package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// program is the name of a platform's file.
func (p platform) program() string {
	name := "mayfly-" + p.os + "-" + p.arch
	if p.os == "windows" {
		name += ".exe"
	}
	return name
}

// programs builds mayfly for each platform, and writes SHA256SUMS of them.
func (r release) programs() error {
	if len(r.platforms) == 0 {
		return errors.New("-platforms are wanted")
	}
	var sums strings.Builder
	for _, p := range r.platforms {
		if err := r.build(p); err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(r.out, p.program()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), p.program()) // as sha256sum writes it
		fmt.Fprintf(os.Stderr, "%s: %.1f MB\n", p.program(), float64(len(data))/1e6)
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// build builds mayfly for a platform. What is built depends on the source, the
// version and the release of Go, which `go version -m` shows, and on nothing of
// this machine: no path, no build id, no state of a repository, no environment.
func (r release) build(p platform) error {
	file, err := filepath.Abs(filepath.Join(r.out, p.program()))
	if err != nil {
		return err
	}
	cmd := exec.Command(r.goTool, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X mayfly.internal/internal/cli.Version="+r.version, "-o", file, "./cmd/mayfly")
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.source, os.Stderr, os.Stderr
	cmd.Env = append(others(os.Environ()), "GOOS="+p.os, "GOARCH="+p.arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", p.program(), err)
	}
	return os.Chmod(file, 0o755)
}

// others is an environment without what changes the output of the compiler.
func others(environment []string) []string {
	changing := []string{"GOFLAGS", "GOEXPERIMENT", "GOFIPS140", "GODEBUG", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "GOWORK"}
	return slices.DeleteFunc(slices.Clone(environment), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(changing, name)
	})
}
