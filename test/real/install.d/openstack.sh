#!/usr/bin/env bash
# Installs OpenStack's own clients, from PyPI into .venv/openstack, for the tests that run them against Leasehold.
# Needs Python 3.11 or newer with venv (as root it is installed with apt-get). Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

packages=(python-openstackclient==10.5.0 python-ironicclient==6.3.0 openstacksdk==4.22.0)
venv=.venv/openstack
if [ "$(cat "$venv/installed" 2>/dev/null)" = "${packages[*]}" ]; then exit 0; fi
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "Python's venv is missing; as root: apt-get install -y python3-venv" >&2; exit 1; }
  apt-get install -y --no-install-recommends python3-venv
fi
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
echo "${packages[*]}" > "$venv/installed"
