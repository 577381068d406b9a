#!/usr/bin/env bash
# Installs Nova, from PyPI into .venv/nova, for its serial proxy and its Ironic driver in test/real/console-nova.test.ts.
# Needs Python 3.11 or newer with venv, which apt-get installs where it is missing. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

version=34.0.0
venv=.venv/nova
if "$venv/bin/python" -c "from importlib.metadata import version as v; exit(v('nova') != '$version')" 2>/dev/null; then
  exit 0
fi
python3 -c 'import ensurepip' 2>/dev/null || bash test/real/apt-install.sh python3-venv
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "nova==$version"
