// Command vault is a real Vault 1.14.8, the last under MPL-2.0, without what it has
// for other clouds and databases: `vault server -ca-file FILE` runs its core and HTTP
// API in memory, with the auth methods jwt and aws and the key/value engine, prints a
// JSON object with its address, its CA's file and its root token, and runs until its
// standard input ends.
//
// The few other commands are those of docs/vault.md (cli.go). Vault's own package of
// them links every plugin that there is.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	awsauth "github.com/hashicorp/vault/builtin/credential/aws"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2) // as Vault's own
	}
}

func run(args []string) error {
	if len(args) == 3 && args[0] == "server" && args[1] == "-ca-file" {
		return serve(args[2])
	}
	return command(args)
}

func serve(caFile string) error {
	logger := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{Physical: storage, Logger: logger, DisableMlock: true, BuiltinRegistry: builtins{},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory, "leased": vault.LeasedPassthroughBackendFactory}, // what Vault's own tests lease
		CredentialBackends: map[string]logical.Factory{"jwt": jwtauth.Factory, "aws": awsauth.Factory}})
	if err != nil {
		return err
	}
	root, err := open(core)
	if err != nil {
		return err
	}
	certificate, err := certificate(caFile)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	go http.Serve(listener, vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}))
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"url": "https://" + listener.Addr().String(), "caFile": caFile, "root": root}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// open makes the keys of a new core and unseals it.
func open(core *vault.Core) (root string, err error) {
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: one, RecoveryConfig: one})
	if err != nil {
		return "", err
	}
	if _, err := core.Unseal(made.SecretShares[0]); err != nil {
		return "", err
	}
	// It is active a moment after it is unsealed.
	for range 100 {
		if standby, err := core.Standby(); err == nil && !standby && !core.Sealed() {
			return made.RootToken, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", errors.New("the core does not become active")
}

// builtins are the plugins that are linked in.
type builtins struct{}

func (builtins) Contains(name string, kind consts.PluginType) bool {
	return slices.Contains(builtins{}.Keys(kind), name)
}

func (builtins) Get(string, consts.PluginType) (func() (any, error), bool) { return nil, false }

func (builtins) Keys(kind consts.PluginType) []string {
	switch kind {
	case consts.PluginTypeCredential:
		return []string{"aws", "jwt"}
	case consts.PluginTypeSecrets:
		return []string{"kv", "leased"}
	}
	return nil
}

func (builtins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

// certificate is one for loopback; what vouches for it is written to a file.
func certificate(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vault"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}
