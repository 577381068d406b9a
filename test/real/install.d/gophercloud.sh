#!/usr/bin/env bash
# Downloads gophercloud, the OpenStack client that Metal3 is built on, for test/real/gophercloud.test.ts. Needs Go.
set -euo pipefail
cd "$(dirname "$0")/../gophercloud"

command -v go >/dev/null || { echo "Go is missing; as root: apt-get install -y golang-go" >&2; exit 1; }
go mod download
