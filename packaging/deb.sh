#!/usr/bin/env bash
# Makes dist/artir_VERSION_ARCHITECTURE.deb of target/release/artir, with scenes, for the Debian release of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v dpkg-shlibdeps >/dev/null || { echo "dpkg-shlibdeps is missing: apt-get install dpkg-dev" >&2; exit 1; }
version=$(packaging/version.sh)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -m 755 "$root"
packaging/install.sh /usr "$root"
documents=$root/usr/share/doc/artir
# The file that Debian looks for.
{
    printf 'artir is under the MIT licence below or the Apache licence 2.0 (/usr/share/common-licenses/Apache-2.0), at your choice.\n'
    printf 'Libraries that are linked into it: NOTICE.txt.gz. ONNX Runtime: onnxruntime/LICENSE.\n\n'
    cat LICENSE-MIT
} > "$documents/copyright"
rm "$documents/LICENSE-MIT" "$documents/LICENSE-APACHE"
gzip -9n "$root"/usr/share/man/man1/*.1 "$documents/CHANGELOG.md" "$documents/NOTICE.txt" "$documents/onnxruntime/ThirdPartyNotices.txt"

# dpkg-shlibdeps wants a source package's control file beside it.
mkdir "$work/debian"
printf 'Source: artir\n' > "$work/debian/control"
if ! depends=$(cd "$work" && dpkg-shlibdeps -O -e root/usr/bin/artir -e root/usr/lib/artir/libonnxruntime.so.* 2> "$work/messages"); then
    cat "$work/messages" >&2
    exit 1
fi
depends=${depends#shlibs:Depends=}
mkdir "$root/DEBIAN"
# For dpkg --verify.
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
cat > "$root/DEBIAN/control" <<CONTROL
Package: artir
Version: $version
Architecture: $architecture
Maintainer: artir developers <artir@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends
Section: science
Priority: optional
Description: restores CT, PET, satellite scenes and photographs
 Removes noise from CT and PET series, haze from scenes, and noise or haze from
 photographs, with neural networks on this machine. Results come in the form of
 the input. Research software: not a medical device, not for diagnosis.
CONTROL
mkdir -p dist
dpkg-deb --root-owner-group --build "$root" "dist/artir_${version}_$architecture.deb"
