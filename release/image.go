package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	rootsFile = "ca-certificates.crt" // in out, for the Dockerfile
	imageFile = "mayfly-image.tar"
)

// image builds mayfly's container image for Linux as the Dockerfile says, and
// writes it as an OCI image layout in a tar archive.
func (r release) image() error {
	if err := os.WriteFile(filepath.Join(r.out, rootsFile), roots(), 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(r.source, "Dockerfile"))
	if err != nil {
		return err
	}
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range r.platforms {
		if p.os != "linux" {
			continue
		}
		if err := r.build(p); err != nil {
			return err
		}
		image, err := r.imageOf(p, string(text))
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}}})
	}
	return r.writeLayout(index)
}

// roots are the certificate authorities that Mozilla trusts for servers, as PEM,
// but those that it trusts with a condition, which PEM cannot say.
func roots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer takes everything
		}
	}
	return out.Bytes()
}

// imageOf is the image of a platform.
func (r release) imageOf(p platform, dockerfile string) (v1.Image, error) {
	d, err := parseDockerfile(dockerfile, p.arch)
	if err != nil {
		return nil, err
	}
	layer, err := r.layer(d.copies)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, l)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created, config.History = v1.Time{Time: time.Unix(0, 0).UTC()}, nil
	config.OS, config.Architecture = p.os, p.arch
	config.Config = v1.Config{Entrypoint: d.entrypoint, User: d.user, Labels: map[string]string{"org.opencontainers.image.title": "mayfly", "org.opencontainers.image.version": r.version}}
	return mutate.ConfigFile(image, config)
}

// layer is the archive of the files to copy: owned by root, of no time, in order.
func (r release) layer(copies [][2]string) ([]byte, error) {
	files := map[string][]byte{} // :: path in the image → content; nil is a directory
	modes := map[string]int64{}
	for _, c := range copies {
		data, err := os.ReadFile(filepath.Join(r.out, c[0]))
		if err != nil {
			return nil, err
		}
		to := strings.TrimPrefix(path.Clean(c[1]), "/")
		if files[to], modes[to] = data, 0o644; strings.HasPrefix(path.Base(c[0]), "mayfly-") {
			modes[to] = 0o755
		}
		for dir := path.Dir(to); dir != "."; dir = path.Dir(dir) {
			files[dir+"/"], modes[dir+"/"] = nil, 0o755
		}
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := tar.Header{Name: name, Mode: modes[name], Size: int64(len(files[name])), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := errors.Join(w.WriteHeader(&h), write(w, files[name])); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

func write(w io.Writer, data []byte) error {
	_, err := w.Write(data)
	return err
}

// dockerfile is what our Dockerfile says.
type dockerfile struct {
	copies     [][2]string // from out, to the image
	entrypoint []string
	user       string
}

// parseDockerfile reads the few instructions that our Dockerfile has, so that an
// engine and this program build from one text. Another one is refused.
func parseDockerfile(text, arch string) (d dockerfile, err error) {
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch rest := words[1:]; {
		case line == "FROM scratch" || line == "ARG TARGETARCH":
		case words[0] == "COPY" && len(rest) == 2 && strings.HasPrefix(rest[0], "dist/") && strings.HasPrefix(rest[1], "/"):
			from := strings.ReplaceAll(strings.TrimPrefix(rest[0], "dist/"), "${TARGETARCH}", arch)
			d.copies = append(d.copies, [2]string{from, rest[1]})
		case words[0] == "USER" && len(rest) == 1:
			d.user = rest[0]
		case words[0] == "ENTRYPOINT" && len(rest) == 1 && strings.HasPrefix(rest[0], `["`) && strings.HasSuffix(rest[0], `"]`):
			d.entrypoint = []string{strings.Trim(rest[0], `["]`)}
		default:
			return dockerfile{}, fmt.Errorf("%q, line %d of the Dockerfile, is not an instruction that is known here", line, n+1)
		}
	}
	if len(d.copies) == 0 || len(d.entrypoint) == 0 || d.user == "" {
		return dockerfile{}, errors.New("a Dockerfile with COPY, ENTRYPOINT and USER is wanted")
	}
	return d, nil
}

// writeLayout writes an index and all it names as an OCI image layout.
func (r release) writeLayout(index v1.ImageIndex) error {
	dir, err := os.MkdirTemp("", "mayfly-image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := at.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": r.version})); err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error { // in order
		if err != nil || name == "." {
			return err
		}
		if e.IsDir() {
			return w.WriteHeader(&tar.Header{Name: name + "/", Mode: 0o755, Typeflag: tar.TypeDir, Format: tar.FormatUSTAR})
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		return errors.Join(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}), write(w, data))
	})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	file := filepath.Join(r.out, imageFile)
	fmt.Fprintf(os.Stderr, "%s: %.1f MB\n", imageFile, float64(out.Len())/1e6)
	return os.WriteFile(file, out.Bytes(), 0o644)
}
