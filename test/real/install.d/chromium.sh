#!/usr/bin/env bash
# Installs Chromium, which the console's page is tried with. Does nothing when it is there.
set -euo pipefail

if [ -x /usr/bin/chromium ]; then exit 0; fi
bash "$(dirname "$0")/../apt-install.sh" chromium
