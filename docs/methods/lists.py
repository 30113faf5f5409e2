"""Generates the lists of all methods from the cards: the README's table and `index.md`'s gallery.

    python docs/methods/lists.py

The second line of each card says what is taken from the partner and what the method is for. The
order is that of `keras_mixup.recipes.__all__`, followed by `choose`.
"""

import os
import re
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_mixup import recipes

CARDS = Path(__file__).parent
SUMMARY = re.compile(r"# (.+)\n\n\*\*From the partner:\*\* (.+)\. \*\*For:\*\* (.+)\.\n")
LIST = "<!-- {}, made by docs/methods/lists.py -->\n{}\n<!-- end -->"


def cards():
    """Yields `(name, title, what is taken from the partner, what it is for)` for each card."""
    for name in [*recipes.__all__, "choose"]:
        yield name, *SUMMARY.match((CARDS / f"{name}.md").read_text()).groups()


def table():
    """Returns the table of the README as Markdown."""
    rows = ["| | From the partner | For |", "|---|---|---|"]
    for name, _, gives, use in cards():
        rows.append(f"| [`{name}`](docs/methods/{name}.md) | {gives} | {use} |")
    return "\n".join(rows)


def gallery():
    """Returns the gallery as Markdown: pictures with captions, and the table of contents."""
    items = [
        f"- [![{title}](thumbnails/{name}.png)]({name}.md)\n\n"
        f"  [{title}]({name}.md): {gives}. {use[0].upper()}{use[1:]}."
        for name, title, gives, use in cards()
    ]
    pages = "\n".join(name for name, *_ in cards())
    return (
        '<div class="gallery">\n\n' + "\n".join(items) + "\n\n</div>\n\n"
        "```{toctree}\n:hidden:\n\n" + pages + "\n```"
    )


def pages():
    """Yields `(path, text)` for each page that contains a list, with the list up to date."""
    for path, name, made in (
        (CARDS.parents[1] / "README.md", "methods", table()),
        (CARDS / "index.md", "gallery", gallery()),
    ):
        before, _, after = re.split(
            f"({LIST.format(name, '.*?')})", path.read_text(), flags=re.DOTALL
        )
        yield path, before + LIST.format(name, made) + after


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text)
