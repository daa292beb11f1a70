// Command kubernetes is one program that is the outsiders Mayfly is tested
// against: kube-apiserver, kube-controller-manager, etcd and kubectl, each
// selected by the name it is called by or by its first argument.
//
// One program instead of four, because they share most of their code: it links
// in a quarter of the time and takes a quarter of the disk.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	name := filepath.Base(os.Args[0])
	if !known(name) {
		if len(os.Args) < 2 || !known(os.Args[1]) {
			fmt.Fprintln(os.Stderr, "usage: kubernetes {kube-apiserver|kube-controller-manager|etcd|kubectl} [flags]")
			os.Exit(2)
		}
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	switch name {
	case "kube-apiserver":
		os.Exit(run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(run(controllermanager.NewControllerManagerCommand()))
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	case "etcd":
		etcdmain.Main(os.Args)
	}
}

func known(name string) bool {
	switch name {
	case "kube-apiserver", "kube-controller-manager", "etcd", "kubectl":
		return true
	}
	return false
}

func run(cmd *cobra.Command) int { return cli.Run(cmd) }
