"""Checks the built handbook for what Sphinx does not warn about, from the repository's root.

    python docs/check_handbook.py build/handbook

On every page, it looks for Markdown and mathematics that are shown as they were written, and for
pictures, files and anchors that do not exist. It needs the standard library alone.
"""

import argparse
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Text of these is shown, or run, as it is.
LITERAL = {"code", "pre", "script", "style", "svg", "title"}
# A reader sees these in text only if nobody has rendered them.
RAW = {
    "a table": re.compile(r"^\s*\|.*\|", re.MULTILINE),
    "mathematics": re.compile(r"\$|\\[(\[]|\\[a-z]+\b"),
    "bold text": re.compile(r"\*\*\S[^*]*\*\*"),
    "a link": re.compile(r"\[[^\]]*\]\([^)]*\)"),
    "code": re.compile(r"`"),
    "a heading": re.compile(r"^\s*#{1,6} ", re.MULTILINE),
}


class Page(HTMLParser):
    """What a page shows as text, where it links to, and what may be linked to."""

    def __init__(self, text):
        super().__init__()
        self.literal = 0
        self.found, self.addresses, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.literal += tag in LITERAL
        for key, value in attrs:
            if key == "id":
                self.anchors.add(value)
            elif key in ("href", "src") and value:
                self.addresses.append((self.getpos()[0], value))

    def handle_endtag(self, tag):
        self.literal -= tag in LITERAL

    def handle_data(self, data):
        if not self.literal:
            for kind, pattern in RAW.items():
                if match := pattern.search(data):
                    text = data[match.start() :].strip().splitlines()[0][:60]
                    self.found.append((self.getpos()[0], f"{kind} that is not rendered: {text}"))


def check(root):
    """Yields "page:line: problem" for each problem of the pages below `root`."""
    pages = {path.resolve(): Page(path.read_text()) for path in sorted(root.rglob("*.html"))}
    if not pages:
        yield f"{root}: there is no page"
    for path, page in pages.items():
        problems = list(page.found)
        for line, address in page.addresses:
            scheme, host, target, _, anchor = urlsplit(address)
            if scheme or host:
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            if not file.is_file():
                problems.append((line, f"there is no file {address}"))
            elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
                problems.append((line, f"there is no anchor {address}"))
        for line, problem in sorted(problems):
            yield f"{path.relative_to(root.resolve())}:{line}: {problem}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where sphinx-build wrote the handbook")
    problems = list(check(parser.parse_args().folder))
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(bool(problems))
