package authenticator

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"mayfly.internal/internal/eks"
)

// Reader gives what is mapped in a cluster itself.
type Reader interface {
	Mappings(ctx context.Context, c eks.Cluster) (eks.Mappings, error)
	IdentityMappings(ctx context.Context, c eks.Cluster) (eks.Mappings, error)
}

// ChainConfig is what a Chain needs; all of it is required but Log and Observe.
type ChainConfig struct {
	Config Config
	Reader Reader
	Now    func() time.Time
	Log    *slog.Logger // nil: nobody is told
	// Observe is told what the original's metrics count. Zero: nobody is.
	Observe Observer
}

// Observer is told what the original's metrics count; each may be nil.
type Observer struct {
	FileFailed      func()                                // a dynamic file could not be read
	ConfigMapFailed func()                                // aws-auth could not be read
	Loaded          func(file string, late time.Duration) // dynamic_file or dynamic_backend_mode took that long to arrive
	Modes           func(modes []Mode)                    // the modes in force
}

// Chain maps principals by the sources of a configuration, the first that knows
// one counting. It is safe for concurrent use.
type Chain struct {
	config  ChainConfig
	dynamic *watched[eks.Mappings]
	modes   *watched[[]Mode]
}

// NewChain makes a Chain; it refuses a ChainConfig that lacks something.
func NewChain(c ChainConfig) (*Chain, error) {
	if c.Reader == nil || c.Now == nil || len(c.Config.Modes) == 0 {
		return nil, errors.New("authenticator: a required field of ChainConfig is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	o := &c.Observe
	if o.FileFailed == nil {
		o.FileFailed = func() {}
	}
	if o.ConfigMapFailed == nil {
		o.ConfigMapFailed = func() {}
	}
	if o.Loaded == nil {
		o.Loaded = func(string, time.Duration) {}
	}
	if o.Modes == nil {
		o.Modes = func([]Mode) {}
	}
	ch := &Chain{config: c}
	ch.dynamic = &watched[eks.Mappings]{path: c.Config.DynamicFile, name: "dynamic_file", config: c, parse: func(data []byte) (dated[eks.Mappings], error) {
		return parseDynamicFile(data, c.Config.DynamicByID, c.Log)
	}}
	ch.modes = &watched[[]Mode]{path: c.Config.DynamicModes, name: "dynamic_backend_mode", config: c, none: c.Config.Modes, parse: ch.parseModes,
		changed: o.Modes}
	o.Modes(ch.modes.get())
	return ch, nil
}

// parseModes reads the file that names the modes; it may name no DynamicFile
// where none is configured.
func (c *Chain) parseModes(data []byte) (dated[[]Mode], error) {
	out, err := parseBackendMode(data)
	if err != nil {
		return dated[[]Mode]{}, err
	}
	if slices.Contains(out.value, DynamicFile) && c.config.Config.DynamicFile == "" {
		return dated[[]Mode]{}, errors.New("backendMode has DynamicFile, and server.dynamicfilepath is not set")
	}
	return out, nil
}

// ReadsCRD reports whether the cluster's IAMIdentityMappings are among the
// sources now.
func (c *Chain) ReadsCRD() bool { return slices.Contains(c.modes.get(), CRD) }

// Map finds the first source that maps a principal. A source that cannot be read
// is an error, whatever those behind it say.
func (c *Chain) Map(ctx context.Context, k eks.Cluster, p eks.Principal) (eks.Mapping, bool, error) {
	for _, mode := range c.modes.get() {
		m, err := c.source(ctx, mode, k)
		if err != nil {
			return eks.Mapping{}, false, err
		}
		m.Reserved = c.config.Config.Reserved[mode]
		if found, ok := m.Find(p); ok {
			return found, true, nil
		}
	}
	return eks.Mapping{}, false, nil
}

func (c *Chain) source(ctx context.Context, mode Mode, k eks.Cluster) (eks.Mappings, error) {
	switch mode {
	case EKSConfigMap:
		m, err := c.config.Reader.Mappings(ctx, k)
		if err != nil {
			c.config.Observe.ConfigMapFailed()
		}
		return m, err
	case CRD:
		return c.config.Reader.IdentityMappings(ctx, k)
	case DynamicFile:
		return c.dynamic.get(), nil
	}
	return c.config.Config.File, nil
}
