#!/usr/bin/env bash
# Installs what consoles are tested with: BMCs and clients of Serial over LAN other than ours.
# Does nothing when they are there.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need ipmiconsole freeipmi-tools
need conmand conman
# Debian's Python, whichever comes first on the path.
/usr/bin/python3 -c 'import pyghmi' 2>/dev/null || missing+=(python3-pyghmi)
if [ ${#missing[@]} -gt 0 ]; then bash "$(dirname "$0")/../apt-install.sh" "${missing[@]}"; fi
