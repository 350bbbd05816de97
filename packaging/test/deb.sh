#!/usr/bin/env bash
# Installs the package in a bare Debian 12 and restores phantoms there. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."
package=dist/artir_$(packaging/version.sh)_$(dpkg --print-architecture).deb
. packaging/test/root.sh
root=$(debian_root bookworm)
trap 'umount "$root/proc" 2>/dev/null; rm -rf "$root"' EXIT
mount -t proc proc "$root/proc"
cp "$package" "$root/tmp/artir.deb"
in_root() { chroot "$root" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
in_root apt-get update -q
in_root apt-get install -y -q --no-install-recommends /tmp/artir.deb
in_root artir doctor
in_root artir demo -o /tmp/demo
in_root sh -c 'ls /tmp/demo/report.html /usr/share/man/man1/artir-ct.1.gz /usr/share/bash-completion/completions/artir' >/dev/null
in_root apt-get purge -y -q artir
! in_root sh -c 'ls -d /usr/bin/artir /usr/lib/artir' 2>/dev/null || { echo "files stay after purge" >&2; exit 1; }
echo "installed, restored, removed"
