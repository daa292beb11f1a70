// Command mayfly is the small program that runs in CI jobs and on people's
// machines. It carries no server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"mayfly.internal/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
