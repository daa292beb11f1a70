package cli

import (
	"context"
	"io"
)

// input is standard input, whose reading ends when we are asked to end: nobody may
// ever write there.
type input struct {
	ctx  context.Context
	from io.Reader
}

func (in *input) Read(p []byte) (int, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text := make([]byte, len(p))
		n, err := in.from.Read(text)
		done <- read{text[:n], err}
	}()
	select {
	case r := <-done:
		return copy(p, r.text), r.err
	case <-in.ctx.Done():
		return 0, context.Cause(in.ctx)
	}
}

// output is standard output, which remembers what could not be written: a report
// that is half there must not pass for one.
type output struct {
	to  io.Writer
	err error
}

func (out *output) Write(p []byte) (int, error) {
	n, err := out.to.Write(p)
	if out.err == nil {
		out.err = err
	}
	return n, err
}

// bareInput and bareOutput are standard input and output themselves, as a child gets
// them.
func (a *app) bareInput() io.Reader {
	if in, ok := a.stdin.(*input); ok {
		return in.from
	}
	return a.stdin
}

func (a *app) bareOutput() io.Writer {
	if out, ok := a.stdout.(*output); ok {
		return out.to
	}
	return a.stdout
}
