package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mayfly.internal/internal/keyset"
	"mayfly.internal/internal/stsapi"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/stswire"
)

// maxSocketPath is how long the name of a Unix socket may be (unix(7)).
const maxSocketPath = 107

// socketMode is who can open the admin socket: its owner, or everybody where
// the configuration lists users; which of them is let in, the server decides by
// the peer's uid.
func socketMode(c AdminConfig) fs.FileMode {
	if len(c.AllowUIDs) > 0 {
		return 0o666
	}
	return 0o600
}

// listenUnix listens on a socket with a mode. A socket left
// behind by a server that was killed is replaced: the lock on the data
// directory says that no other server lives.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is longer than %d bytes; name another with --admin-socket", path, maxSocketPath)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("%s is there and is no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	syscall.ForkLock.Lock()  // a program that is started now would have the mask for good
	old := unix.Umask(0o177) // 0600 from the first moment
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	syscall.ForkLock.Unlock()
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, mode)
}

type peerKey struct{}

// withPeer notes who is at the other end of a Unix socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *unix.Ucred
	err = raw.Control(func(fd uintptr) { cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || cred == nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, cred.Uid)
}

// adminLife is how long the administrator's credentials last.
const adminLife = 15 * time.Minute

// AdminCredentials is the answer of the admin socket.
type AdminCredentials struct {
	Credentials stswire.Credentials `json:"Credentials"`
	ARN         string              `json:"Arn"`
	PublicURL   string              `json:"PublicUrl"`
	CAFile      string              `json:"CaFile"` // empty in plain HTTP
	Region      string              `json:"Region"`
}

// adminHandler serves the admin socket, for the server's own user, root, and
// those the configuration names.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /credentials", s.forAdmins(s.adminCredentials))
	mux.HandleFunc("GET /keys", s.forAdmins(s.adminKeys))
	mux.HandleFunc("POST /keys/rotate", s.forAdmins(s.adminRotate(false)))
	mux.HandleFunc("POST /keys/renew", s.forAdmins(s.adminRotate(true)))
	return mux
}

// forAdmins lets in who may administer the server, and says which user it is.
func (s *Server) forAdmins(do func(w http.ResponseWriter, r *http.Request, uid string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		uid, ok := r.Context().Value(peerKey{}).(uint32)
		if !ok || uid != 0 && int(uid) != os.Getuid() && !slices.Contains(s.live.Load().config.Admin.AllowUIDs, uid) {
			s.log.Warn("admin socket refused", "uid", uid)
			http.Error(w, "this user may not administer the server; admin.allow_uids in its configuration lists who may", http.StatusForbidden)
			return
		}
		do(w, r, strconv.Itoa(int(uid)))
	}
}

func (s *Server) adminCredentials(w http.ResponseWriter, r *http.Request, uid string) {
	creds, who, err := s.sts.AdminCredentials(r.Context(), uid, adminLife)
	if err != nil {
		s.log.Error("admin credentials", "uid", uid, "why", err)
		http.Error(w, "the use of the admin socket could not be recorded, so no credentials were issued; the server's log says why", http.StatusServiceUnavailable)
		return
	}
	s.log.Warn("administrator credentials issued", "uid", uid, "session", who.ARN().String())
	out := AdminCredentials{Credentials: stsapi.EncodeCredentials(creds), ARN: who.ARN().String(), PublicURL: s.public, Region: s.config.Region}
	if at, err := s.config.listen(); err == nil && !at.plain {
		out.CAFile = s.CAFile()
	}
	write(w, http.StatusOK, "application/json", awsrest.Encode(out))
}

func (s *Server) adminKeys(w http.ResponseWriter, _ *http.Request, _ string) {
	write(w, http.StatusOK, "application/json", awsrest.Encode(s.keys.report(keyset.Change{})))
}

func (s *Server) adminRotate(revoke bool) func(w http.ResponseWriter, r *http.Request, uid string) {
	return func(w http.ResponseWriter, r *http.Request, uid string) {
		out, err := s.rotateKeys(r.Context(), uid, revoke)
		if err != nil {
			s.log.Error("the keys could not be rotated; they stay as they are", "uid", uid, "why", err)
			http.Error(w, "the keys could not be rotated and stay as they are: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		write(w, http.StatusOK, "application/json", awsrest.Encode(out))
	}
}

// SocketOf is where the admin socket of a data directory and configuration is.
func SocketOf(data string, c Config) (string, error) {
	if c.Admin.Socket == "off" {
		return "", errors.New("the admin socket is closed by admin.socket: off")
	}
	return socketPath(data, c.Admin.Socket), nil
}
