package audit

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a node of the tree.
type Hash = tlog.Hash

// Tree is the right edge of the Merkle tree: all that is needed to append. The
// zero value is the empty tree. It is not safe for concurrent use.
type Tree struct {
	size int64
	edge map[int64]Hash // :: stored hash index → hash, of the complete subtrees
}

// Size is the number of events in the tree.
func (t *Tree) Size() int64 { return t.size }

// LoadTree recovers the tree of size events; read gives stored hashes by
// index.
func LoadTree(size int64, read func(index int64) (Hash, error)) (*Tree, error) {
	t := &Tree{size: size, edge: map[int64]Hash{}}
	for _, index := range edgeOf(size) {
		h, err := read(index)
		if err != nil {
			return nil, fmt.Errorf("read audit hash %d: %w", index, err)
		}
		t.edge[index] = h
	}
	return t, nil
}

// edgeOf are the stored indexes of the roots of the complete subtrees of a tree
// of size leaves: one per bit of size (RFC 6962 §2.1).
func edgeOf(size int64) []int64 {
	var out []int64
	for level := 62; level >= 0; level-- {
		if size>>level&1 == 1 {
			out = append(out, tlog.StoredHashIndex(level, size>>level-1))
		}
	}
	return out
}

// Stored is a hash and the index it is stored under.
type Stored struct {
	Index int64
	Hash  Hash
}

// Append adds one event's bytes and gives the hashes that must be stored with
// it.
func (t *Tree) Append(body []byte) ([]Stored, error) {
	hashes, err := tlog.StoredHashes(t.size, body, tlog.HashReaderFunc(t.read))
	if err != nil {
		return nil, fmt.Errorf("append to the audit tree: %w", err)
	}
	first := tlog.StoredHashIndex(0, t.size)
	out := make([]Stored, len(hashes))
	if t.edge == nil {
		t.edge = map[int64]Hash{}
	}
	for i, h := range hashes {
		out[i] = Stored{first + int64(i), h}
		t.edge[out[i].Index] = h
	}
	t.size++
	keep := map[int64]Hash{}
	for _, index := range edgeOf(t.size) {
		keep[index] = t.edge[index]
	}
	t.edge = keep
	return out, nil
}

// Clone is a copy to try an append on: a batch that is not committed must leave
// no trace.
func (t *Tree) Clone() *Tree {
	c := &Tree{size: t.size, edge: make(map[int64]Hash, len(t.edge))}
	for i, h := range t.edge {
		c.edge[i] = h
	}
	return c
}

// Root is the tree's root hash.
func (t *Tree) Root() (Hash, error) {
	root, err := tlog.TreeHash(t.size, tlog.HashReaderFunc(t.read))
	if err != nil {
		return Hash{}, fmt.Errorf("hash the audit tree: %w", err)
	}
	return root, nil
}

func (t *Tree) read(indexes []int64) ([]Hash, error) {
	out := make([]Hash, len(indexes))
	for i, index := range indexes {
		h, ok := t.edge[index]
		if !ok {
			return nil, fmt.Errorf("hash %d is not on the edge", index)
		}
		out[i] = h
	}
	return out, nil
}

// Place says where a stored hash is kept: with the event whose append made it,
// as the nth of that event's hashes.
func Place(index int64) (event int64, nth int) {
	level, n := tlog.SplitStoredHashIndex(index)
	return (n+1)<<level - 1, level
}

// Checkpoint is a signed statement of the tree's size and root: a note as
// golang.org/x/mod/sumdb/note has it, whose text is a tlog tree.
func (t *Tree) Checkpoint(signer note.Signer) (string, error) {
	root, err := t.Root()
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: t.size, Hash: root}))}, signer)
	if err != nil {
		return "", fmt.Errorf("sign the audit checkpoint: %w", err)
	}
	return string(signed), nil
}

// States checks that a checkpoint states this tree. It does not check the
// signature: only Verifier.Finish does.
func (t *Tree) States(checkpoint string) error {
	want, err := parseCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	root, err := t.Root()
	switch {
	case err != nil:
		return err
	case want.N != t.size:
		return fmt.Errorf("the audit checkpoint states %d events, the log holds %d", want.N, t.size)
	case want.Hash != root:
		return errors.New("the audit checkpoint states another log")
	}
	return nil
}

// VerifyError says at which event a log and its checkpoint part.
type VerifyError struct {
	Events int64 // how many were read
	Detail string
}

func (e *VerifyError) Error() string {
	return fmt.Sprintf("the audit log does not verify: %s (after %d events)", e.Detail, e.Events)
}

// Verifier checks a whole log against a checkpoint, an event at a time, in
// constant memory.
type Verifier struct{ tree Tree }

// Add takes the bytes of the next event.
func (v *Verifier) Add(body []byte) error {
	_, err := v.tree.Append(body)
	return err
}

// Finish checks that the events added are exactly those the checkpoint states,
// and that the checkpoint is signed by key. It gives the number of events.
func (v *Verifier) Finish(checkpoint string, key note.Verifier) (int64, error) {
	n, err := note.Open([]byte(checkpoint), note.VerifierList(key))
	if err != nil {
		return 0, &VerifyError{v.tree.size, "the checkpoint is not signed by this server's audit key"}
	}
	want, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return 0, &VerifyError{v.tree.size, "the checkpoint states no tree"}
	}
	root, err := v.tree.Root()
	switch {
	case err != nil:
		return 0, err
	case want.N > v.tree.size:
		return 0, &VerifyError{v.tree.size, fmt.Sprintf("the checkpoint states %d events: %d are missing", want.N, want.N-v.tree.size)}
	case want.N < v.tree.size:
		return 0, &VerifyError{v.tree.size, fmt.Sprintf("the checkpoint states %d events: there are more", want.N)}
	case want.Hash != root:
		return 0, &VerifyError{v.tree.size, "an event was changed, removed, added or moved"}
	}
	return want.N, nil
}

// CheckpointSize is the number of events a checkpoint states. It does not check
// the signature: only Verifier.Finish does.
func CheckpointSize(checkpoint string) (int64, error) {
	tree, err := parseCheckpoint(checkpoint)
	return tree.N, err
}

func parseCheckpoint(checkpoint string) (tlog.Tree, error) {
	text, _, found := strings.Cut(checkpoint, "\n\n")
	tree, err := tlog.ParseTree([]byte(text + "\n"))
	if !found || err != nil {
		return tlog.Tree{}, errors.New("not an audit checkpoint")
	}
	return tree, nil
}
