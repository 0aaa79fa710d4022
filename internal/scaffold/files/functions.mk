# What `sam build` runs for each function, in the folder of the program (CodeUri): make build-<its name in the template>.
# ARTIFACTS_DIR is where SAM wants the result. A module of your own can take this file as it is, as its Makefile;
# docs/deploy.md says why it is not left to SAM's own Go builder.
#
# All functions are one program, and SAM runs this once for each, several at a time. So it is built in a folder beside
# theirs, by one of them at a time: the first compiles, the others find it up to date and copy it. The lock has the id of
# the process that holds it; one that its holder left behind is taken away.

GOARCH ?= arm64
TAGS ?= lambda.norpc

build-%:
	@test "$$(go env GOMOD)" != /dev/null || { echo "run sam build --build-in-source, as samconfig.toml says: the program is part of a Go module" >&2; exit 1; }
	@set -e; shared="$(ARTIFACTS_DIR)/../.program"; lock="$$shared/lock"; mkdir -p "$$shared"; \
	until ln -s $$$$ "$$lock" 2>/dev/null; do \
	  if holder=$$(readlink "$$lock") && ! kill -0 "$$holder" 2>/dev/null; then rm -f "$$lock"; fi; sleep 0.1; \
	done; \
	trap 'rm -f "$$lock"' EXIT; trap 'exit 1' HUP INT TERM; \
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -tags "$(TAGS)" -ldflags "-s -w" -o "$$shared/bootstrap" .; \
	cp "$$shared/bootstrap" "$(ARTIFACTS_DIR)/bootstrap"
	$(AFTER)
