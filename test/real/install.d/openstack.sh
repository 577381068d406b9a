#!/usr/bin/env bash
# Installs OpenStack's own clients and esi-leap's, from PyPI into .venv/openstack, for the tests that run them against
# Leasehold.
# Needs Python 3.11 or newer with venv, which apt-get installs where it is missing. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

packages=(
  python-openstackclient==10.5.0 python-ironicclient==6.3.0 openstacksdk==4.22.0
  python-esileapclient==1.1.0 esisdk==1.5.0
)
venv=.venv/openstack
if [ "$(cat "$venv/installed" 2>/dev/null)" = "${packages[*]}" ]; then exit 0; fi
python3 -c 'import ensurepip' 2>/dev/null || bash test/real/apt-install.sh python3-venv
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
echo "${packages[*]}" > "$venv/installed"
