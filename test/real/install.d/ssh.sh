#!/usr/bin/env bash
# Installs the clients of OpenSSH. Does nothing when they are there.
set -euo pipefail

if command -v ssh >/dev/null && command -v ssh-keygen >/dev/null; then exit 0; fi
bash "$(dirname "$0")/../apt-install.sh" openssh-client
