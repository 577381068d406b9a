#!/usr/bin/env bash
# Installs what bench/consoles/beside.ts measures, from Debian: conserver, ConMan, ipmitool. Takes root.
set -euo pipefail
missing=()
for package in conserver-server conserver-client conman ipmitool; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
export DEBIAN_FRONTEND=noninteractive
# Its own service must not start.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; trap 'rm -f "$policy"' EXIT; fi
apt-get update -q
apt-get install -qy --no-install-recommends "${missing[@]}"
