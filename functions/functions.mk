# What `sam build` runs for each function, in the folder of the program (CodeUri): make build-<its name in the template>.
# ARTIFACTS_DIR is where SAM wants the result. A module of your own can take this file as it is, as its Makefile;
# docs/deploy.md says why it is not left to SAM's own Go builder.
#
# All functions are one program, and SAM runs this once for each, several at a time. So it is built in a folder beside
# theirs, by one of them at a time: the first compiles, the others find it up to date and copy it. The lock has the id of
# the process that holds it; one that its holder left behind is taken away.

#
# Beside the program of the function that serves polling lies the Socket.IO client for browsers, which is answered at
# /socket.io/socket.io.js: the files of the npm package socket.io-client, as they are in the folder CLIENT, or in the
# node_modules of this folder or of one above (npm install socket.io-client). Without them all else works, and that path
# answers how to get them.

GOARCH ?= arm64
TAGS ?= lambda.norpc
CLIENT ?=

define CLIENT_BESIDE
@from="$(CLIENT)"; at="$$PWD"; \
while [ -z "$$from" ] && [ -n "$$at" ]; do \
  for package in socket.io/client-dist socket.io-client/dist; do \
    if [ -f "$$at/node_modules/$$package/socket.io.min.js" ]; then from="$$at/node_modules/$$package"; fi; \
  done; \
  at="$${at%/*}"; \
done; \
if [ -f "$$from/socket.io.min.js" ]; then \
  mkdir -p "$(ARTIFACTS_DIR)/client" && cp "$$from"/socket.io*.js "$$from"/socket.io*.js.map "$(ARTIFACTS_DIR)/client/"; \
else \
  echo "no Socket.IO client for browsers to put beside the program: npm install socket.io-client" >&2; \
fi
endef

build-%:
	$(BEFORE)
	@test "$$(go env GOMOD)" != /dev/null || { echo "run sam build --build-in-source, as samconfig.toml says: the program is part of a Go module" >&2; exit 1; }
	@set -e; shared="$(ARTIFACTS_DIR)/../.program"; lock="$$shared/lock"; mkdir -p "$$shared"; \
	until ln -s $$$$ "$$lock" 2>/dev/null; do \
	  if holder=$$(readlink "$$lock") && ! kill -0 "$$holder" 2>/dev/null; then rm -f "$$lock"; fi; sleep 0.1; \
	done; \
	trap 'rm -f "$$lock"' EXIT; trap 'exit 1' HUP INT TERM; \
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -tags "$(TAGS)" -ldflags "-s -w" -o "$$shared/bootstrap" .; \
	cp "$$shared/bootstrap" "$(ARTIFACTS_DIR)/bootstrap"
	$(if $(filter build-PollingFunction,$@),$(CLIENT_BESIDE))
