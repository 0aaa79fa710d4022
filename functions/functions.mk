# What sam build runs for each function, in the function's folder: make build-<its name in the template>.
# ARTIFACTS_DIR is where SAM wants the result. docs/deploy.md says why it is not left to SAM's own Go builder.

GOARCH ?= arm64
TAGS ?= lambda.norpc

build-%:
	@test -f ../../go.mod || { echo "run sam build --build-in-source, as samconfig.toml says: the function is part of a Go module" >&2; exit 1; }
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -tags "$(TAGS)" -ldflags "-s -w" -o "$(ARTIFACTS_DIR)/bootstrap" .
	$(AFTER)
