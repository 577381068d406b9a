#!/usr/bin/env bash
# Installs a real Neutron, from PyPI into .venv/neutron, for test/real/neutron.test.ts. Needs Python 3.11 or newer
# with venv, which apt-get installs where it is missing. Does nothing when the version below is there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

version=29.0.0
venv=.venv/neutron
if "$venv/bin/python" -c "from importlib.metadata import version as v; exit(v('neutron') != '$version')" 2>/dev/null; then
  exit 0
fi
python3 -c 'import ensurepip' 2>/dev/null || bash test/real/apt-install.sh python3-venv
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "neutron==$version"
