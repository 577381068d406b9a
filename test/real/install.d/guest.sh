#!/usr/bin/env bash
# Installs QEMU, and makes a Linux with a small root for a machine that it plays: Debian's kernel, taken out of its
# package and not installed, and busybox, in .venv/guest. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

guest=$PWD/.venv/guest
if [ -e "$guest/initrd" ] && cmp -s test/real/guest-init "$guest/root/init" && command -v qemu-system-x86_64 >/dev/null; then
  exit 0
fi
bash test/real/apt-install.sh qemu-system-x86 seabios busybox-static cpio xz-utils
rm -rf "$guest"
mkdir -p "$guest/package" "$guest/root"/{bin,dev,proc,sys,lib}
kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*amd64\)$/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo "no package linux-image-amd64 here: run apt-get update" >&2; exit 1; }
cd "$guest/package"
# As its own user apt may not write here, and says so.
apt-get download -o APT::Sandbox::User=root "$kernel"
dpkg-deb -x ./*.deb .
cp boot/vmlinuz-* "$guest/vmlinuz"
cd "$guest/root"
# What lets it see its BMC.
for module in ipmi_msghandler ipmi_si ipmi_devintf; do
  find "$guest/package" \( -name "$module.ko" -o -name "$module.ko.xz" \) -exec cp {} lib/ \;
done
find lib -name '*.xz' -exec xz -d {} \;
cp /bin/busybox bin/busybox
cp "$guest/../../test/real/guest-init" init
chmod 755 init
find . | cpio --quiet -o -H newc | gzip > "$guest/initrd.new"
rm -rf "$guest/package"
mv "$guest/initrd.new" "$guest/initrd"
