package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// awsVersion is the AWS CLI that is installed where there is none: the last of
// version 1, which comes from the Python package index.
const awsVersion = "awscli>=1.40,<2"

// FindAWS finds an AWS CLI that may be trusted with a job's token: one that
// honours AWS_ENDPOINT_URL. Older ones would send the token to the real STS, so
// each candidate is tried against a listener on loopback first.
//
// It tries, in this order: named, if it is not empty; the one on PATH; one in
// cache that an earlier call installed; one it installs there now with Python's
// pip, without sudo. It says what it does and why. The error says what to get.
func FindAWS(ctx context.Context, named, cache string, say func(format string, args ...any)) (string, error) {
	if named != "" {
		return named, checkAWS(ctx, named)
	}
	if path, err := exec.LookPath("aws"); err == nil {
		err := checkAWS(ctx, path)
		if err == nil {
			return path, nil
		}
		say("the aws on PATH, %s, is of no use here: %v", path, err)
	}
	venv := filepath.Join(cache, "awscli")
	path := filepath.Join(venv, "bin", "aws")
	if checkAWS(ctx, path) == nil {
		return path, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("there is no AWS CLI that honours AWS_ENDPOINT_URL, and no python3 to install one: get AWS CLI 2.13 or later")
	}
	say("installing the AWS CLI into %s with pip", venv)
	for _, args := range [][]string{{python, "-m", "venv", venv}, {filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15", awsVersion}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			os.RemoveAll(venv)
			return "", fmt.Errorf("installing the AWS CLI: %w: %s; get AWS CLI 2.13 or later", err, lastLine(string(out)))
		}
	}
	return path, checkAWS(ctx, path)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// checkAWS lets a CLI make a call whose endpoint AWS_ENDPOINT_URL names, with
// made-up credentials, and sees whether it arrives.
func checkAWS(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var arrived atomic.Bool
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Store(true)
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:sts::000000000000:assumed-role/a/b</Arn><UserId>a:b</UserId><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	})}
	go srv.Serve(l)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "sts", "get-caller-identity", "--output", "json")
	cmd.Env = environ(map[string]string{"PATH": os.Getenv("PATH"), "HOME": os.TempDir(), "AWS_ENDPOINT_URL": "http://127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), "AWS_DEFAULT_REGION": Region,
		// These are nobody's. A proxy that leads nowhere keeps an old CLI from
		// reaching the real STS with them.
		"AWS_ACCESS_KEY_ID": "ASIAAAAAAAAAAAAAAAAA", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true", "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1", "AWS_MAX_ATTEMPTS": "1"})
	out, err := cmd.CombinedOutput()
	if !arrived.Load() {
		return fmt.Errorf("it does not honour AWS_ENDPOINT_URL (%s)", firstLine(string(out)))
	}
	return err
}
