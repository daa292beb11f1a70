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
	asked := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if signal.Ignored(os.Interrupt) { // by a shell that started us in the background, or by a trap
		asked = asked[:1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), asked...)
	context.AfterFunc(ctx, stop) // who asks twice does not wait
	status := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
