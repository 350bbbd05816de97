"""An mdBook preprocessor: pages of the repository outside ``docs`` become chapters of the book.

The pages of ``docs`` link to README.md, the models' cards and the like, which lie beside ``docs``
and so outside of the book's source. Each such page, and each that it links to, is added as a
chapter under ``repository``, and links to it are rewritten. A link to anything but a page (code, a
folder) becomes plain text: the book is read where there is no repository.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = "repository"
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
PICTURES = {".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml"}


class Book:
    """The chapters that were added, and the links among all of them."""

    def __init__(self):
        self.added: dict[Path, dict] = {}

    def chapter_path(self, file: Path) -> Path:
        """Where a page of the repository is in the book."""
        if file.is_relative_to(DOCS):
            # As mdBook renames it before this preprocessor runs.
            name = "index.md" if file.name == "README.md" else file.name
            return file.relative_to(DOCS).with_name(name)
        return OUTSIDE / file.relative_to(ROOT)

    def rewrite(self, text: str, file: Path) -> str:
        """The text of a page with its links as they must be in the book."""
        here = self.chapter_path(file).parent

        def link(match: re.Match[str]) -> str:
            image, label, target = match.groups()
            if re.match(r"[a-z]+:|#", target):
                return match[0]
            path, _, anchor = target.partition("#")
            found = (file.parent / path).resolve()
            if not found.is_relative_to(ROOT) or not found.exists():
                raise SystemExit(f"book: {file.relative_to(ROOT)}: {target} leads nowhere")
            if image and not found.is_relative_to(DOCS):
                # mdBook copies pictures of its own source only.
                data = base64.b64encode(found.read_bytes()).decode()
                return f"![{label}](data:{PICTURES[found.suffix]};base64,{data})"
            if not image and (found.suffix != ".md" or not found.is_file()):
                return label
            if not found.is_relative_to(DOCS):
                self.add(found)
            at = os.path.relpath(self.chapter_path(found), here)
            return f"{image}[{label}]({at}{'#' + anchor if anchor else ''})"

        return LINK.sub(link, text)

    def add(self, file: Path) -> None:
        if file in self.added:
            return
        text = file.read_text()
        title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), file.name)
        path = self.chapter_path(file).as_posix()
        chapter = {
            "name": title,
            "content": "",
            "number": None,
            "sub_items": [],
            "path": path,
            "source_path": None,
            "parent_names": [],
        }
        # Entered before its links are followed: pages link to each other.
        self.added[file] = chapter
        chapter["content"] = self.rewrite(text, file)


def visit(items: list, book: Book) -> None:
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter and chapter["path"]:
            chapter["content"] = book.rewrite(chapter["content"], DOCS / chapter["path"])
            visit(chapter["sub_items"], book)


def main() -> None:
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0 if sys.argv[2:] == ["html"] else 1)
    _, contents = json.load(sys.stdin)
    book = Book()
    visit(contents["items"], book)
    if book.added:
        contents["items"].append({"PartTitle": "In the repository"})
        pages = sorted(book.added.items(), key=lambda page: (len(page[0].parts), page[0]))
        contents["items"] += [{"Chapter": chapter} for _, chapter in pages]
    json.dump(contents, sys.stdout)


if __name__ == "__main__":
    main()
