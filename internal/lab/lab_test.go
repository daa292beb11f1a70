package lab

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClearRefusesWhatIsNoLab(t *testing.T) {
	if err := Clear(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Errorf("a directory that is not there: %v", err)
	}
	if err := Clear(t.TempDir()); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	home := t.TempDir()
	file := filepath.Join(home, "thesis.tex")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Clear(home); err == nil || !strings.Contains(err.Error(), "not a lab's") {
		t.Errorf("somebody's files: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal("somebody's files were removed")
	}
}

func TestClearRefusesALabThatIsUp(t *testing.T) {
	other := exec.Command("sleep", "30")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	dir := t.TempDir()
	write := func(pid int) {
		raw, _ := json.Marshal(State{PID: pid})
		if err := os.WriteFile(filepath.Join(dir, "lab.json"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(other.Process.Pid)
	if err := Clear(dir); err == nil || !strings.Contains(err.Error(), "is up") {
		t.Errorf("a lab that is up: %v", err)
	}
	write(0)
	if err := Clear(dir); err != nil {
		t.Errorf("a lab that is down: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was not cleared")
	}
}

func TestProcess(t *testing.T) {
	p, err := StartProcess("sleeper", exec.Command("sleep", "30"), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Ended() != nil {
		t.Fatal("it ended at once")
	}
	start := time.Now()
	p.Stop()
	if p.Ended() == nil || time.Since(start) > 5*time.Second {
		t.Errorf("it did not stop: %v after %s", p.Ended(), time.Since(start))
	}
	p.Stop() // a second time does no harm
}

// A program that ignores AWS_ENDPOINT_URL must never be trusted with a token.
func TestCheckAWS(t *testing.T) {
	dir := t.TempDir()
	script := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := checkAWS(context.Background(), script("old", "echo '{}'")); err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Errorf("a CLI that asks somebody else: %v", err)
	}
	if err := checkAWS(context.Background(), filepath.Join(dir, "missing")); err == nil {
		t.Error("a CLI that is not there")
	}
	if _, err := exec.LookPath("curl"); err == nil {
		if err := checkAWS(context.Background(), script("new", `exec curl -sf "$AWS_ENDPOINT_URL"`)); err != nil {
			t.Errorf("a CLI that honours it: %v", err)
		}
	}
}
