"""Unpacks an OCI archive's only platform into a folder and prints its configuration.

python packaging/test/unpack_image.py IMAGE.oci.tar FOLDER
"""

import json
import sys
import tarfile
from pathlib import Path


def main() -> int:
    image, folder = sys.argv[1:]
    Path(folder).mkdir(parents=True)
    with tarfile.open(image) as archive:

        def blob(digest: str) -> bytes:
            file = archive.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert file is not None, digest
            return file.read()

        index = archive.extractfile("index.json")
        assert index is not None, "no index.json"
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            file = archive.extractfile(f"blobs/{layer['digest'].replace(':', '/')}")
            with tarfile.open(fileobj=file) as content:
                content.extractall(folder, filter="tar")
        print(blob(manifest["config"]["digest"]).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
