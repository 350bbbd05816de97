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
root=$context/root
install -D "$program" "$root/usr/bin/artir"
for library in .runtime/libonnxruntime.so.*; do install -D -m 644 -t "$root/usr/lib/artir" "$library"; done

# The libraries that the loader would load, under the names that it looks for, and the loader itself.
copy() { # PATH: a library with links resolved, under its own path
    mkdir -p "$root/$(dirname "$1")"
    cp -L "$1" "$root/$1"
}
libraries() { ldd "$@" 2>/dev/null | sed -nE 's/^.* => (\/[^ ]+) .*/\1/p; s/^\s+(\/[^ ]+) \(.*/\1/p' | sort -u; }
for library in $(libraries "$program" .runtime/libonnxruntime.so.*); do copy "$library"; done
if [ -n "$suffix" ]; then
    # PROJ's database and GDAL's tables: coordinate reference systems of scenes.
    mkdir -p "$root/usr/share"
    cp -rL /usr/share/proj "$root/usr/share/"
    cp -rL /usr/share/gdal "$root/usr/share/"
fi
mkdir -p "$root/etc" "$root/data" "$root/tmp" "$root/proc" "$root/sys" "$root/dev"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/:/sbin/nologin\nartir:x:65532:65532:artir:/data:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nartir:x:65532:\n' > "$root/etc/group"
install -D -m 644 -t "$root/usr/share/doc/artir" LICENSE-MIT LICENSE-APACHE

mkdir -p dist
name=artir$suffix
out=dist/$name-$version-$(uname -m).oci.tar
rm -f "$out"
# Files of this image are only copied, so that no container is started to make it.
storage=(--storage-driver vfs --root "$context/storage" --runroot "$context/run")
buildah "${storage[@]}" bud --isolation chroot --build-arg VERSION="$version" --timestamp 0 \
    -f packaging/oci/Containerfile -t "$name:$version" "$context"
buildah "${storage[@]}" push "$name:$version" "oci-archive:$out:$name:$version"
ls -l "$out"
