#!/usr/bin/env bash
# Makes dist/artir_VERSION_ARCHITECTURE.deb of target/release/artir, with scenes, for the Debian release of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(packaging/version.sh)
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
packaging/install.sh /usr "$root"
# One name for the program that dpkg-shlibdeps reads, and for the licence that Debian looks for.
mv "$root/usr/share/doc/artir/LICENSE-MIT" "$root/usr/share/doc/artir/copyright"
gzip -9n "$root"/usr/share/man/man1/*.1 "$root/usr/share/doc/artir/CHANGELOG.md"

# dpkg-shlibdeps wants a source package's control file beside it.
mkdir "$root/debian"
printf 'Source: artir\n' > "$root/debian/control"
depends=$(cd "$root" && dpkg-shlibdeps -O -Sroot -lusr/lib/artir -e usr/bin/artir \
    $(printf -- '-e %s ' usr/lib/artir/libonnxruntime.so.*) 2>/dev/null | sed 's/^shlibs:Depends=//')
rm -r "$root/debian"
[ -n "$depends" ] || { echo "dpkg-shlibdeps found no libraries" >&2; exit 1; }
mkdir "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<CONTROL
Package: artir
Version: $version
Architecture: $architecture
Maintainer: artir developers <artir@localhost>
Installed-Size: $(du -sk "$root" | cut -f1)
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
