package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
)

func newAudit(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Read and verify the audit log", Args: cobra.NoArgs,
		Example: "  mayfly audit tail -n 100",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newAuditTail(a), newAuditVerify(a))
	return cmd
}

const auditPage = 1000

func newAuditTail(a *app) *cobra.Command {
	var last int64
	var follow, checkpoint bool
	cmd := &cobra.Command{Use: "tail", Short: "Print audit events, one line of JSON each", Args: exactArgs(),
		Long: `tail prints events as they are stored and hashed, oldest first. With
--checkpoint the signed checkpoint follows the last event, so that the output,
kept in a file, can be verified without the server: mayfly audit verify --file.`,
		Example: `  mayfly audit tail -n 100
  mayfly audit tail --checkpoint > audit.jsonl`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			first := int64(0)
			if last > 0 {
				size, err := auditSize(ctx, a)
				if err != nil {
					return explain(err)
				}
				first = max(0, size-last)
			}
			for {
				page, err := c.Audit(ctx, first, auditPage)
				if follow && ctx.Err() != nil {
					return nil // told to stop, which is how following ends
				}
				if err != nil {
					return explain(err)
				}
				for _, e := range page.Events {
					fmt.Fprintln(a.stdout, e.Body)
					first = e.Index + 1
				}
				size, err := audit.CheckpointSize(page.Checkpoint)
				if err != nil {
					return err
				}
				if first < size && len(page.Events) > 0 {
					continue // a page may end early: it is bounded in bytes too
				}
				if !follow {
					if checkpoint {
						fmt.Fprint(a.stdout, page.Checkpoint)
					}
					return nil
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		}}
	f := cmd.Flags()
	f.Int64VarP(&last, "lines", "n", 0, "only the last `N` events (default: all)")
	f.BoolVarP(&follow, "follow", "f", false, "go on printing events as they come")
	f.BoolVar(&checkpoint, "checkpoint", false, "print the signed checkpoint after the last event")
	return cmd
}

// auditSize is how many events there are: what the newest checkpoint states.
func auditSize(ctx context.Context, a *app) (int64, error) {
	c, err := a.client()
	if err != nil {
		return 0, err
	}
	page, err := c.Audit(ctx, 0, 1)
	if err != nil {
		return 0, err
	}
	return audit.CheckpointSize(page.Checkpoint)
}

func newAuditVerify(a *app) *cobra.Command {
	var path, keyText string
	cmd := &cobra.Command{Use: "verify", Short: "Check that no audit event was changed, removed, added or moved", Args: exactArgs(),
		Long: `verify reads the whole log, from the server or from a file that 'mayfly audit
tail --checkpoint' wrote, computes its Merkle tree, and compares it with the
signed checkpoint.

The key is the server's public audit key. Note it once and give it with --key:
a key asked of the same server proves less.`,
		Example: `  mayfly audit verify
  mayfly audit verify --file audit.jsonl --key "$AUDIT_KEY"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if path != "" && keyText == "" {
				return &usageError{errors.New("--key is missing: a file is verified under the server's public audit key")}
			}
			if keyText == "" {
				c, err := a.client()
				if err != nil {
					return err
				}
				server, err := c.Server(ctx)
				if err != nil {
					return explain(err)
				}
				keyText = server.AuditKey
			}
			key, err := note.NewVerifier(keyText)
			if err != nil {
				return &usageError{fmt.Errorf("the audit key: %w", err)}
			}
			var v audit.Verifier
			var checkpoint string
			if path != "" {
				checkpoint, err = addFile(&v, path)
			} else {
				checkpoint, err = a.addServer(ctx, &v)
			}
			if err != nil {
				return explain(err)
			}
			n, err := v.Finish(checkpoint, key)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(map[string]any{"events": n, "verified": true, "key": keyText})
			}
			fmt.Fprintf(a.stdout, "verified: %d\n", n)
			fmt.Fprintf(a.stderr, "mayfly: under the key %s\n", keyText)
			return nil
		}}
	cmd.Flags().StringVar(&path, "file", "", "verify a `FILE` instead of asking the server; - is standard input")
	cmd.Flags().StringVar(&keyText, "key", "", "the server's public audit `KEY` (default: asked of the server)")
	return cmd
}

// addServer feeds the server's whole log, exactly as far as a checkpoint that
// came with it reaches.
func (a *app) addServer(ctx context.Context, v *audit.Verifier) (string, error) {
	c, err := a.client()
	if err != nil {
		return "", err
	}
	first, size, checkpoint := int64(0), int64(-1), ""
	for size < 0 || first < size {
		page, err := c.Audit(ctx, first, auditPage)
		if err != nil {
			return "", err
		}
		if size < 0 { // later pages come with later checkpoints: keep to the first
			checkpoint = page.Checkpoint
			if size, err = audit.CheckpointSize(checkpoint); err != nil {
				return "", err
			}
		}
		if len(page.Events) == 0 {
			break
		}
		for _, e := range page.Events {
			if first >= size {
				break
			}
			if err := v.Add([]byte(e.Body)); err != nil {
				return "", err
			}
			first++
		}
	}
	return checkpoint, nil
}

// maxLine bounds a line of a file; an event is far shorter.
const maxLine = 1 << 20

// addFile feeds the events of a file and gives the checkpoint behind them.
func addFile(v *audit.Verifier, path string) (string, error) {
	in := io.ReadCloser(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		in = f
	}
	defer in.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var checkpoint bytes.Buffer
	for lines.Scan() {
		if checkpoint.Len() == 0 && bytes.HasPrefix(lines.Bytes(), []byte("{")) {
			if err := v.Add(lines.Bytes()); err != nil {
				return "", err
			}
			continue
		}
		checkpoint.Write(lines.Bytes())
		checkpoint.WriteByte('\n')
	}
	if checkpoint.Len() == 0 && lines.Err() == nil {
		return "", hint(fmt.Errorf("%s holds no checkpoint behind its events", path), "write it with: mayfly audit tail --checkpoint > FILE")
	}
	return checkpoint.String(), lines.Err()
}
