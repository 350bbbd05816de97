#!/usr/bin/env bash
# Runs `artir ct` in the image as a user that is not root, on a root file system that cannot be written, and compares the
# result with the program's own. Needs runc or crun, and root or user namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."
image=$(ls dist/artir-[0-9]*-"$(uname -m)".oci.tar)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 packaging/test/unpack_image.py "$image" "$work/root" > "$work/config.json"
[ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["config"]["User"])' "$work/config.json")" = 65532:65532 ]
most=$((40 << 20))
size=$(stat -c %s "$image")
echo "image: $((size >> 20)) MiB"
((size <= most)) || { echo "the image is larger than $((most >> 20)) MiB" >&2; exit 1; }

python=${PYTHON:-.venv/bin/python}
"$python" packaging/test/phantom_ct.py "$work/study"
target/release/artir ct "$work/study" -o "$work/expected" -q
mkdir "$work/out"
chown 65532:65532 "$work/out"
chmod -R a+rX "$work/study"
# What a container runtime does, by hand: namespaces of its own, a read-only root, two mounts, another user, no capability.
unshare --mount --pid --net --fork --propagation private bash -euc '
    root=$1 work=$2
    mount --bind "$root" "$root"
    mkdir -p "$root/data/in" "$root/data/out"
    mount --bind -o ro "$work/study" "$root/data/in"
    mount --bind "$work/out" "$root/data/out"
    mount -t proc proc "$root/proc"
    mount -o remount,ro,bind "$root"
    mkdir "$root/forbidden" 2>/dev/null && { echo "the root can be written" >&2; exit 1; }
    exec chroot --userspec=65532:65532 "$root" /usr/bin/artir ct /data/in -o /data/out/restored -q
' bash "$work/root" "$work"
diff -r "$work/expected" "$work/out/restored"
[ "$(stat -c %u "$work/out/restored")" = 65532 ]
echo "restored as user 65532 on a read-only root, with the bits of the program"
