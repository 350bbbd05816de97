#!/usr/bin/env bash
# Makes an OCI image of a built program, with buildah and without a daemon: dist/artir-VERSION-ARCHITECTURE.oci.tar.
#   packaging/image.sh PROGRAM [SUFFIX]
#   packaging/image.sh target/release/artir-without-scenes   CT, PET, photographs
#   packaging/image.sh target/release/artir -geo             with GDAL
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1 suffix=${2:-}
packaging/refuse_dev.sh "$program"
command -v buildah >/dev/null || { echo "buildah is missing: apt-get install buildah" >&2; exit 1; }
version=$(packaging/version.sh)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
root=$context/root documents=$context/root/usr/share/doc
install -D "$program" "$root/usr/bin/artir"
for library in .runtime/libonnxruntime.so.*; do install -D -m 644 -t "$root/usr/lib/artir" "$library"; done
install -D -m 644 -t "$documents/artir" LICENSE-MIT LICENSE-APACHE
install -D -m 644 -t "$documents/artir/onnxruntime" .runtime/LICENSE .runtime/ThirdPartyNotices.txt
python3 packaging/notices.py artir-cli "$documents/artir/NOTICE.txt"

# The libraries that the loader would load, under the names that it looks for, and the loader itself.
libraries() { ldd "$@" 2>/dev/null | sed -nE 's/^.* => (\/[^ ]+) .*/\1/p; s/^\s+(\/[^ ]+) \(.*/\1/p' | sort -u; }
copyright() { # LIBRARY: copies the licence of the Debian package that it comes from
    local real package
    real=$(realpath "$1")
    # Debian's list has some files below /lib, which is now a link to /usr/lib.
    package=$({ dpkg-query -S "$real" || dpkg-query -S "${real#/usr}"; } 2>/dev/null | sed 's/[:,].*//;q')
    [ -n "$package" ] || { echo "$1 comes from no Debian package, so its licence is unknown" >&2; return 1; }
    install -D -m 644 "/usr/share/doc/$package/copyright" "$documents/$package/copyright"
}
for library in $(libraries "$program" .runtime/libonnxruntime.so.*); do
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$library" "$root/$library"
    copyright "$library"
done
if [ -n "$suffix" ]; then
    # PROJ's database and GDAL's tables: coordinate reference systems of scenes.
    for folder in /usr/share/proj /usr/share/gdal; do
        cp -rL "$folder" "$root/usr/share/"
        copyright "$(find "$folder" -type f | head -1)"
    done
fi
mkdir -p "$root/etc" "$root/data" "$root/tmp" "$root/proc" "$root/sys" "$root/dev"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/:/sbin/nologin\nartir:x:65532:65532:artir:/data:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nartir:x:65532:\n' > "$root/etc/group"

mkdir -p dist
name=artir$suffix
out=dist/$name-$version-$(uname -m).oci.tar
rm -f "$out"
# Files of this image are only copied, so that no container is started to make it.
storage=(--storage-driver vfs --root "$context/storage" --runroot "$context/run")
buildah "${storage[@]}" bud --isolation chroot --build-arg VERSION="$version" --timestamp "${SOURCE_DATE_EPOCH:-0}" \
    -f packaging/oci/Containerfile -t "$name:$version" "$context"
buildah "${storage[@]}" push "$name:$version" "oci-archive:$out:$name:$version"
ls -l "$out"
