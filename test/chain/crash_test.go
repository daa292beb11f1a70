package chain

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mayfly.internal/internal/session"
)

// TestKill kills the server, as kill -9 does, while exchanges and changes are
// under way and its keys are rotated. What it had answered must be there when it
// runs again: every change, the audit record of every credential, a log that
// verifies; and credentials issued before must still work, whichever key sealed
// them.
func TestKill(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	token := w.token(t, production())
	for round := range 3 {
		var mu sync.Mutex
		var keys []aws.Credentials // :: answered exchanges
		var roles []string         // :: answered changes
		rotations := 0             // answered
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				if _, err := w.Run(t.Context(), nil, w.Mayflyd, "rotate-keys", "--data", w.DataDir()); err == nil {
					mu.Lock()
					rotations++
					mu.Unlock()
				}
			}
		})
		for worker := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if worker < 3 {
						out, err := w.exchange(t, w.role("gitlab-deployer"), token)
						if err != nil {
							continue
						}
						mu.Lock()
						keys = append(keys, aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken})
						mu.Unlock()
						continue
					}
					name, trust := fmt.Sprintf("r%d-%d", round, i), w.trust("StringLike", "x")
					if _, err := iam.NewFromConfig(w.config).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err == nil {
						mu.Lock()
						roles = append(roles, name)
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(700 * time.Millisecond)
		w.Server().Kill()
		close(stop)
		wg.Wait()
		if len(keys) == 0 || len(roles) == 0 || rotations == 0 {
			t.Fatalf("nothing was answered before the kill: %d exchanges, %d changes, %d rotations", len(keys), len(roles), rotations)
		}
		if err := w.StartServer(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.config = w.admin(t)
		env, err := w.AdminEnv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if out, err := w.Run(t.Context(), env, w.Mayfly, "audit", "verify"); err != nil {
			t.Fatalf("the audit log does not verify: %v %s", err, out)
		}
		log, err := w.Run(t.Context(), env, w.Mayfly, "audit", "tail")
		if err != nil {
			t.Fatal(err)
		}
		changed, issued := map[string]bool{}, map[string]bool{} // :: role ARN, access key id → recorded
		for line := range strings.Lines(log) {
			var e struct{ Action, Outcome, Resource string }
			var as struct {
				Session string `json:"issued_session"`
			}
			if err := errors.Join(json.Unmarshal([]byte(line), &e), json.Unmarshal([]byte(line), &as)); err != nil {
				t.Fatal(err)
			}
			if e.Outcome != "allowed" {
				continue
			}
			switch e.Action {
			case "iam:CreateRole":
				changed[e.Resource] = true
			case "sts:AssumeRoleWithWebIdentity":
				issued[accessKeyID(t, as.Session)] = true
			}
		}
		for _, name := range roles {
			if _, err := iam.NewFromConfig(w.config).GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name}); err != nil {
				t.Errorf("round %d: an acknowledged change is lost: %v", round, err)
			}
			if !changed[w.role(name)] {
				t.Errorf("round %d: the record of an acknowledged change is lost: %s", round, name)
			}
		}
		for _, c := range keys {
			if !issued[c.AccessKeyID] {
				t.Errorf("round %d: the record of an answered exchange is lost: %s", round, c.AccessKeyID)
			}
		}
		for _, c := range []aws.Credentials{keys[0], keys[len(keys)/2], keys[len(keys)-1]} {
			job := w.sdk(t, credentials.StaticCredentialsProvider{Value: c})
			if _, err := sts.NewFromConfig(job).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
				t.Errorf("round %d: credentials issued before the kill: %v", round, err)
			}
		}
		t.Logf("round %d: %d exchanges, %d changes and %d rotations were answered before the kill; all are there", round, len(keys), len(roles), rotations)
	}
}

// accessKeyID is the access key id of a session of the audit log, which names
// sessions by their ids.
func accessKeyID(t *testing.T, sessionID string) string {
	t.Helper()
	raw, err := hex.DecodeString(sessionID)
	if err != nil || len(raw) != len(session.ID{}) {
		t.Fatalf("the audit log names a session %q", sessionID)
	}
	return session.ID(raw).AccessKeyID()
}
