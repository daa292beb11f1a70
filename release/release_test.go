package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// here is the platform of this machine, which is all that a test builds for.
var here = platform{runtime.GOOS, runtime.GOARCH}

// released are the platforms of the Makefile.
func released(t *testing.T) []platform {
	text, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^PLATFORMS := (.*)$`).FindSubmatch(text)
	if list == nil {
		t.Fatal("the Makefile has no PLATFORMS")
	}
	out, err := parsePlatforms(string(list[1]))
	if err != nil || len(out) == 0 {
		t.Fatalf("%v, %v", out, err)
	}
	return out
}

func read(t *testing.T, path ...string) string {
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestProgramsAreTheSame: the same source gives the same bytes from another
// directory, with an empty cache, and whatever the environment says.
func TestProgramsAreTheSame(t *testing.T) {
	one := release{source: "..", out: t.TempDir(), version: "1.2.3", goTool: "go", platforms: []platform{here}}
	if err := one.programs(); err != nil {
		t.Fatal(err)
	}
	two := one
	two.source, two.out = t.TempDir(), t.TempDir()
	for _, dir := range []string{"cmd/mayfly", "internal"} {
		if err := os.CopyFS(filepath.Join(two.source, dir), os.DirFS(filepath.Join("..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(two.source, file), []byte(read(t, "..", file)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOCACHE", t.TempDir())
	t.Setenv("GOFLAGS", "-tags=other -buildvcs=true")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	if err := two.programs(); err != nil {
		t.Fatal(err)
	}
	program := read(t, one.out, here.program())
	if program != read(t, two.out, here.program()) {
		t.Errorf("%s differs", here.program())
	}
	if sums := read(t, one.out, "SHA256SUMS"); sums != sum(program)+"  "+here.program()+"\n" || sums != read(t, two.out, "SHA256SUMS") {
		t.Errorf("SHA256SUMS: %s", sums)
	}
	const most = 15_000_000
	if len(program) > most {
		t.Errorf("%d bytes, more than %d", len(program), most)
	}
	for _, path := range []string{two.source, os.Getenv("HOME") + "/go", mustAbs(t, "..")} {
		if strings.Contains(program, path) {
			t.Errorf("it holds %s", path)
		}
	}
	said, err := exec.Command(filepath.Join(two.out, here.program()), "--version").Output()
	if err != nil || string(said) != "mayfly version 1.2.3\n" {
		t.Errorf("%q, %v", said, err)
	}
}

func mustAbs(t *testing.T, path string) string {
	out, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sum(data string) string {
	s := sha256.Sum256([]byte(data))
	return hex.EncodeToString(s[:])
}

// TestImage builds the image twice, reads it as the OCI image specification says
// and not with the library that wrote it, and runs what is in it.
func TestImage(t *testing.T) {
	if here.os != "linux" {
		t.Skip("the image's program runs on Linux")
	}
	r := release{source: "..", out: t.TempDir(), version: "1.2.3", goTool: "go", platforms: []platform{here, {"plan9", "amd64"}}}
	other := r
	other.out = t.TempDir()
	for _, r := range []release{r, other} {
		if err := r.image(); err != nil {
			t.Fatal(err)
		}
	}
	archive := read(t, r.out, imageFile)
	if archive != read(t, other.out, imageFile) {
		t.Error("two builds differ")
	}
	blobs := untar(t, []byte(archive))
	get := func(d descriptor, into any) {
		t.Helper()
		text := blobs["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if "sha256:"+sum(text) != d.Digest || len(text) != d.Size {
			t.Fatalf("%s: the blob is another", d.Digest)
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if blobs["oci-layout"] == "" {
		t.Error("there is no oci-layout")
	}
	var top, index struct{ Manifests []descriptor }
	if err := json.Unmarshal([]byte(blobs["index.json"]), &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%v, %+v", err, top)
	}
	if got := top.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != "1.2.3" {
		t.Errorf("the image is called %q", got)
	}
	get(top.Manifests[0], &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Platform != (struct{ OS, Architecture string }{here.os, here.arch}) {
		t.Fatalf("%+v", index)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	get(index.Manifests[0], &manifest)
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != "application/vnd.oci.image.layer.v1.tar+gzip" {
		t.Fatalf("%+v", manifest)
	}
	var config struct {
		Config struct {
			User                    string
			Entrypoint, Cmd, Volume []string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	get(manifest.Config, &config)
	if c := config.Config; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/mayfly"}) {
		t.Errorf("%+v", c)
	}
	packed := blobs["blobs/sha256/"+strings.TrimPrefix(manifest.Layers[0].Digest, "sha256:")]
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil || len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != "sha256:"+sum(string(layer)) {
		t.Fatalf("%v, %v", err, config.RootFS)
	}
	files := untar(t, layer)
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"etc/ssl/certs/ca-certificates.crt", "mayfly"}) {
		t.Errorf("the image holds %v", got)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(files["etc/ssl/certs/ca-certificates.crt"])) || strings.Count(files["etc/ssl/certs/ca-certificates.crt"], "BEGIN CERTIFICATE") < 50 {
		t.Error("these are no roots")
	}
	root := t.TempDir()
	program := filepath.Join(root, "mayfly")
	if err := os.WriteFile(program, []byte(files["mayfly"]), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--version")
	cmd.Env = []string{}
	if said, err := cmd.CombinedOutput(); err != nil || string(said) != "mayfly version 1.2.3\n" {
		t.Errorf("%q, %v", said, err)
	}
}

type descriptor struct {
	MediaType, Digest string
	Size              int
	Platform          struct{ OS, Architecture string }
	Annotations       map[string]string
}

// untar gives the files of an archive, which is one that anybody would make: no
// time, no owner, no link.
func untar(t *testing.T, data []byte) map[string]string {
	out := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Mode&0o022 != 0 || h.Linkname != "" {
			t.Errorf("%s: %+v", h.Name, h)
		}
		if h.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			out[h.Name] = string(text)
		}
	}
}

func TestDockerfileRefuses(t *testing.T) {
	good := read(t, "..", "Dockerfile")
	if d, err := parseDockerfile(good, "arm64"); err != nil || d.copies[0][0] != "mayfly-linux-arm64" {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, bad := range []string{"", "FROM scratch\n", good + "RUN true\n", good + "FROM debian\n", good + "COPY ../secret /secret\n", good + "COPY dist/a b\n", good + "ENV A=b\n", strings.Replace(good, "USER", "#", 1)} {
		if d, err := parseDockerfile(bad, "arm64"); err == nil {
			t.Errorf("%q is taken: %+v", bad, d)
		}
	}
}

// TestManPages: each command has its page, and man finds nothing to complain of.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mayfly-gone.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := release{version: "1.2.3"}
	if err := r.man(dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 20 || slices.Contains(pages, filepath.Join(dir, "mayfly-gone.1")) {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	page := read(t, dir, "mayfly-cluster-register.1")
	for _, want := range []string{".TH MAYFLY\\-CLUSTER\\-REGISTER 1", "\\fB\\-\\-endpoint\\fR \\fIURL\\fR", ".SH EXIT STATUS", ".BR mayfly\\-cluster (1)"} {
		if !strings.Contains(page, want) {
			t.Errorf("mayfly-cluster-register.1 has no %q", want)
		}
	}
	man, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not here, which would say whether the pages are well formed")
	}
	for _, page := range pages {
		if said, err := exec.Command(man, "-man", "-ww", "-z", "-K", "utf8", page).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v\n%s", filepath.Base(page), err, said)
		}
	}
}

func TestRoff(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"a", "a"}, {".TH", `\&.TH`}, {"'x", `\(aqx`}, {`a\b`, `a\eb`}, {"--a", `\-\-a`}, {"a.b", "a.b"},
	} {
		if got := roff(tt.text); got != tt.want {
			t.Errorf("roff(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestInstallPage: the page names each platform's file.
func TestInstallPage(t *testing.T) {
	page := read(t, "..", "docs", "install.md")
	for _, p := range released(t) {
		if !strings.Contains(page, "`"+p.program()+"`") {
			t.Errorf("docs/install.md does not name %s", p.program())
		}
	}
}
