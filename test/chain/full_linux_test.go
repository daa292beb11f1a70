package chain

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// TestFullDisk fills the disk the audit log is on: from then on the answer is
// 503 and no credentials, changes are not made, and the log says why. With room
// again everything goes on, and the log still verifies.
func TestFullDisk(t *testing.T) {
	programs(t)
	dir := filepath.Join(t.TempDir(), "lab")
	data := filepath.Join(dir, "mayfly")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		t.Skipf("a small disk cannot be mounted here (%v); it takes root", err)
	}
	t.Cleanup(func() { syscall.Unmount(data, syscall.MNT_DETACH) })
	w := newWorldIn(t, dir)
	w.teach(t)
	token := w.token(t, production())
	if _, err := w.exchange(t, w.role("gitlab-deployer"), token); err != nil {
		t.Fatal(err)
	}

	filler, err := os.Create(filepath.Join(data, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(filler, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	filler.Close()
	refused := 0
	for range 50 { // what the database has allocated already may still be filled
		out, err := w.exchange(t, w.role("gitlab-deployer"), token)
		if err == nil {
			continue
		}
		refused++
		var answer *awshttp.ResponseError
		if out != nil && out.Credentials != nil || !errors.As(err, &answer) || answer.HTTPStatusCode() != 503 || code(err) != "ServiceUnavailable" {
			t.Fatalf("refused as %v", err)
		}
	}
	if refused == 0 {
		t.Fatal("a full disk refused nothing")
	}
	name, trust := "while-full", w.trust("StringLike", "x")
	if _, err := iam.NewFromConfig(w.config).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); code(err) != "ServiceUnavailable" {
		t.Errorf("a change that cannot be recorded: %v", err)
	}
	if _, err := w.AdminEnv(t.Context()); err == nil || !strings.Contains(err.Error(), "could not be recorded") {
		t.Errorf("the admin socket: %v", err)
	}
	if log, err := os.ReadFile(w.Server().Log); err != nil || !strings.Contains(string(log), "disk") {
		t.Errorf("the log does not say that the disk is full: %v", err)
	}

	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.exchange(t, w.role("gitlab-deployer"), token); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if _, err := iam.NewFromConfig(w.config).GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name}); code(err) != "NoSuchEntity" {
		t.Errorf("a change that was refused was made: %v", err)
	}
	env, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := w.Run(t.Context(), env, w.Mayfly, "audit", "verify"); err != nil {
		t.Errorf("%v %s", err, out)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
