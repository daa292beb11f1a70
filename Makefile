# Mayfly's commands. `make demo` and `make test` are the two to know.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.0.0-dev)
LDFLAGS := -s -w -X mayfly.internal/internal/server.Version=$(VERSION) -X mayfly.internal/internal/cli.Version=$(VERSION)

# Outside test vectors, where somebody has put them beside the project; tests
# that want them skip with a sentence elsewhere.
MAYFLY_VECTORS ?= $(abspath $(wildcard ../shared/vectors))
export MAYFLY_VECTORS

FUZZTIME ?= 5s

# What mayfly, the program of jobs and people, is released for.
PLATFORMS := darwin/amd64 darwin/arm64 linux/amd64 linux/arm64 windows/amd64
RELEASE    = $(GO) -C release run . -go '$(GO)' -version '$(VERSION)' -platforms '$(PLATFORMS)'

# An AWS CLI that honours AWS_ENDPOINT_URL, or the story's calls through the SDK.
FINDAWS = bin/mayfly-lab find-aws || { echo "going on with the same calls through aws-sdk-go-v2" >&2; $(GO) -C test build -o ../bin/sdk/aws ./cmd/aws && echo $(abspath bin/sdk/aws); }

.PHONY: help build check lint platforms release man image unit test test-outsiders integration fuzz demo bench bench-peers deps kubernetes clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 24

build: ## build the three programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

lint: ## format, vet, staticcheck, tidy
	@test -z "$$(gofmt -l cmd internal testenv test bench release)" || { echo "gofmt would change:"; gofmt -l cmd internal testenv test bench release; exit 1; }
	$(GO) vet ./...
	@$(MAKE) --no-print-directory platforms
	$(GO) run -modfile=tools/go.mod honnef.co/go/tools/cmd/staticcheck ./...
	$(GO) mod tidy -diff

# The rooms in which a platform makes a difference, without their tests, which
# start servers.
platforms: ## vet mayfly for each platform it is released for
	@for p in $(PLATFORMS); do for d in cmd/mayfly internal/cli; do export GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0; \
		$(GO) vet $$($(GO) list -f '{{range .GoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./$$d) || { echo "mayfly for $$p, $$d"; exit 1; }; done; done

release: ## build mayfly for each platform into dist/, the same bytes everywhere, with SHA256SUMS
	@$(RELEASE) programs

man: ## write manual pages into dist/man
	@$(RELEASE) man

image: ## build the container image without an engine: an OCI layout in dist/mayfly-image.tar
	@$(RELEASE) image

unit: ## unit tests
	$(GO) test ./...

check: lint unit ## the fast loop

kubernetes: ## build the real kube-apiserver, etcd and kubectl, once per version
	@testenv/build.sh >/dev/null

integration: build ## the real aws CLI, SDK and API server against the built programs
	kubernetes=$$(testenv/build.sh) && aws=$$($(FINDAWS)) && MAYFLY_KUBERNETES=$$kubernetes MAYFLY_AWS=$$aws MAYFLY_BIN=$(abspath bin) $(GO) -C test test -count=1 -timeout 20m ./...

fuzz: ## fuzz each target for FUZZTIME (5s)
	@GO=$(GO) ./fuzz.sh $(FUZZTIME)

test: check ## everything: unit with the race detector, fuzz, integration, end to end
	$(GO) test -race ./...
	$(MAKE) fuzz
	$(MAKE) integration
	$(GO) -C release test -count=1 ./...

test-outsiders: build ## what takes long to build: OpenTofu with the real AWS provider, a real Vault, Helm
	terraform=$$(testenv/terraform/build.sh) && vault=$$(testenv/vault/build.sh) && helm=$$(testenv/helm/build.sh) && aws=$$($(FINDAWS)) && kubernetes=$$(testenv/build.sh) && \
	MAYFLY_TERRAFORM=$$terraform MAYFLY_VAULT=$$vault MAYFLY_HELM=$$helm MAYFLY_KUBERNETES=$$kubernetes MAYFLY_AWS=$$aws MAYFLY_BIN=$(abspath bin) $(GO) -C test test -count=1 -timeout 20m -run 'TestTerraform(Apply|Onboard)|TestVault|TestTemplate(Helm|Terraform)' ./chain

demo: build ## run the story of examples/gitlab-to-kubernetes end to end (KEEP=1 leaves it up)
	@kubernetes=$$(testenv/build.sh) && aws=$$($(FINDAWS)) && bin/mayfly-lab demo --kubernetes $$kubernetes --aws $$aws $(if $(KEEP),--keep)

bench: ## measure the hot paths as ratios against a bare limit
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...
	$(GO) -C bench test -run '^$$' -bench . -timeout 20m ./...

bench-peers: ## measure Mayfly beside aws-iam-authenticator and versitygw
	bench/peers/run.sh

deps: ## write each program's dependency list
	@for p in mayfly mayflyd mayfly-lab; do $(GO) list -deps -f '{{if not .Standard}}{{.ImportPath}}{{end}}' ./cmd/$$p | LC_ALL=C sort > cmd/$$p/deps.txt; done

clean: ## remove what was built here
	rm -rf bin dist .lab
