"""The handbook. From the repository's root: `sphinx-build -c docs -W . build/handbook`.

The source directory is the repository, so that links between pages, examples and benchmarks are the
same here and where the files are read one by one.
"""

import importlib
import importlib.metadata
import inspect
import os
import pkgutil
import re

import latex2mathml.converter
from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

# The handbook documents signatures; nothing in it runs on a device or is worth a log line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Modules whose names are public as `keras_mixup.<name>`.
REEXPORTED = ("pairs", "recipes")

project = "keras_mixup"
author = "the keras_mixup authors"
project_copyright = author
version = release = importlib.metadata.version("keras-mixup")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "myst_nb",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "examples/README.md",
    "examples/*.ipynb",
    "benchmarks/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
exclude_patterns = ["docs/_*"]

# Pages.
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
myst_html_meta = {
    "description": "mixup, CutMix and their relatives for Keras: one call, and a stock fit trains."
}
html_math_renderer = "mathml"
nb_execution_mode = "off"  # notebooks are shown as they were saved
nb_merge_streams = True
nb_render_markdown_format = "myst"  # with tables, which CommonMark does not have

# Docstrings.
default_role = "literal"
autosummary_generate = False  # only the tables
autodoc_inherit_docstrings = False  # a class lists what it adds to its base class
autodoc_member_order = "bysource"
maximum_signature_line_length = 80
viewcode_follow_imported_members = True
# Names of other packages, which the handbook does not link to.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(abc|collections|keras|matplotlib|numpy|os|tensorflow|tf|np)\..*"),
    ("py:class", r"\w+"),  # types as the source names them
]
napoleon_numpy_docstring = False
napoleon_custom_sections = [
    ("Attributes", "params_style"),
    ("Call arguments", "params_style"),
    ("Returns when called", "returns_style"),
]

# Look.
html_theme = "furo"
html_title = f"keras_mixup {version}"
html_static_path = ["_static"]
html_css_files = ["handbook.css"]
html_favicon = "_static/favicon.svg"
copybutton_exclude = ".linenos, .gp, .go"  # prompts and output
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
templates_path = ["_templates"]
html_additional_pages = {"index": "redirect.html"}
html_theme_options = {"navigation_with_keys": True}


def literal_equations(app, what, name, obj, options, lines):
    """Indented paragraphs of a docstring are equations: kept as they are, not flowed as quotes."""
    result = []
    previous = ""
    for line in lines:
        starts = line.startswith(" ") and result and not result[-1].strip()
        if starts and previous and not previous.startswith(" "):
            result += [".. code-block:: none", ""]
        result.append(line)
        previous = line if line.strip() else previous
    lines[:] = result


def link_papers(app, what, name, obj, options, lines):
    """The number of a paper, as in "arXiv:1710.09412", is a link, and so is its repository."""
    paper = re.compile(r"arXiv:(\d+\.\d+)")
    repository = re.compile(r"github\.com/[\w-]+/[\w-]+")
    for i, line in enumerate(lines):
        line = paper.sub(r"`\g<0> <https://arxiv.org/abs/\1>`__", line)
        lines[i] = repository.sub(r"`\g<0> <https://\g<0>>`__", line)


def refuse_split_returns(app, what, name, obj, options, lines):
    """A warning where napoleon took the words before a colon for the type of what is returned."""
    if any(line.startswith(":rtype:") for line in lines):
        logging.getLogger("keras_mixup").warning("%s: a colon in the first line of Returns", name)


def own_signature(app, what, name, obj, options, signature, result):
    """Types as they are written in the source; `inspect` of Sphinx would resolve their aliases.

    Classes have the arguments of their own constructor; that of Keras's layers is generic.
    """
    if what not in ("class", "function", "method") or not signature:
        return None
    own = what == "class" and not issubclass(obj, tuple)  # a named tuple has `__new__` alone
    arguments = inspect.signature(obj.__init__ if own else obj)
    first, *others = arguments.parameters.values()
    if first.name == "self":
        arguments = arguments.replace(parameters=others)
    if what == "class":
        arguments = arguments.replace(return_annotation=arguments.empty)
    text = stringify_signature(arguments, unqualified_typehints=True)
    arguments, _, returned = text.partition(" -> ")
    return arguments, returned or None


def keep_ranges_together(app, doctree):
    """No line of a table breaks inside a range, as in "5.0 (4.1 to 5.9)", or before a "%"."""
    unbroken = re.compile(r"\(\S+ to \S+\)|\d %|± \d")
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            new = unbroken.sub(lambda found: found[0].replace(" ", "\u00a0"), text)
            text.parent.replace(text, nodes.Text(new))


def align_numbers(app, doctree):
    """Columns of numbers, as in "36.7 (36.5 to 37.0)", are on the right, with their heading.

    The first column names the rows, code holds defaults, and "3.12.0" is of a table of versions.
    """
    number = re.compile(r"[+\-\u2212]?\d[\d,]*(\.\d+)?(\s%)?(\s*[(±].*)?")
    for table in doctree.findall(nodes.table):
        if re.search(r"\b\d+\.\d+\.\d+\b", table.astext()):
            continue
        rows = [row.children for row in table.findall(nodes.row)]
        body = [row.children for part in table.findall(nodes.tbody) for row in part]
        for k in range(1, min(map(len, rows))):
            cells = [row[k] for row in body if row[k].astext()]
            code = any(True for cell in cells for _ in cell.findall(nodes.literal))
            if cells and not code and all(number.fullmatch(cell.astext()) for cell in cells):
                for row in rows:
                    row[k]["classes"] = ["text-right"]


def name_classes(app, doctree):
    """The signature of a method begins with the name of its class, as in "Mix.indexed"."""
    for signature in doctree.findall(addnodes.desc_signature):
        name = next(iter(signature.findall(addnodes.desc_name)))
        if signature.parent["objtype"] == "method" and signature.get("class"):
            prefix = f"{signature['class']}."
            name.parent.insert(name.parent.index(name), addnodes.desc_addname(prefix, prefix))


def link_names(app, doctree, page):
    """A link to a page of the API reference whose text is a name leads to that name."""
    objects = list(app.env.domains.python_domain.get_objects())
    for link in doctree.findall(nodes.reference):
        target = link.get("refuri", "")
        if not link.get("internal") or "#" in target or len(list(link.findall(nodes.literal))) != 1:
            continue
        name = link.astext()
        found = [
            (app.builder.get_relative_uri(page, document), anchor)
            for full, _, _, document, anchor, _ in objects
            if f".{full}".endswith(f".{name}")
        ]
        anchors = {anchor for address, anchor in found if address == target}
        if len(anchors) == 1:
            link["refuri"] = f"{target}#{anchors.pop()}"


def describe_pictures(app, doctree, page):
    """A picture of a notebook has the title of its section as alternative text."""
    for image in doctree.findall(nodes.image):
        section = image.parent
        while section is not None and not isinstance(section, nodes.section):
            section = section.parent
        if section is not None:
            image.setdefault("alt", section[0].astext())


def mathml(equation, display="inline"):
    """An equation as MathML. The converter takes "is distributed as" for a name, without space."""
    result = latex2mathml.converter.convert(equation, display=display)
    return result.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")


def inline_math(self, node):
    """Mathematics as MathML, which browsers typeset without a script."""
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def displayed_math(self, node):
    """An equation on a line of its own."""
    self.body.append(f'<div class="equation">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


class Summary(SphinxDirective):
    """A table of the public classes and functions of a module, and of further ones if named."""

    required_arguments = 1
    optional_arguments = 2

    def run(self):
        name, *further = self.arguments
        module = importlib.import_module(name)
        home = "keras_mixup" if name.endswith(REEXPORTED) else name
        others = [] if home != name else [n for m in REEXPORTED for n in names_of(m)]
        names = [n for n in module.__all__ if callable(getattr(module, n)) and n not in others]
        names += further
        lines = [".. autosummary::", "   :nosignatures:", "", *(f"   {home}.{n}" for n in names)]
        return self.parse_text_to_nodes("\n".join(lines))


def names_of(name):
    """The public names of a module that the package re-exports."""
    return getattr(importlib.import_module(f"keras_mixup.{name}"), "__all__", [])


class Recipes(SphinxDirective):
    """One `autofunction` for each recipe."""

    def run(self):
        from keras_mixup import recipes

        lines = [f".. autofunction:: keras_mixup.{name}" for name in recipes.__all__]
        return self.parse_text_to_nodes("\n\n".join(lines))


def public_names():
    """The name of every public module, function and class."""
    import keras_mixup

    for module in pkgutil.iter_modules(keras_mixup.__path__):
        if not module.name.startswith("_") and module.name not in REEXPORTED:
            name = f"keras_mixup.{module.name}"
            yield name
            # A module without `__all__` is an error here: it does not say what is public.
            yield from (f"{name}.{each}" for each in importlib.import_module(name).__all__)
    yield from (f"keras_mixup.{name}" for name in keras_mixup.__all__)


def refuse_undocumented_names(app, env):
    """A warning, which `-W` makes an error, for each public name that is on no page."""
    documented = {name for name, *_ in env.domains.python_domain.get_objects()}
    for name in sorted(set(public_names()) - documented):
        logging.getLogger("keras_mixup").warning("%s is public and not in the API reference", name)


def setup(app):
    """Called by Sphinx. Equations go before napoleon, which has the default priority of 500."""
    app.add_html_math_renderer("mathml", (inline_math, None), (displayed_math, None))
    app.add_directive("recipes", Recipes)
    app.add_directive("summary", Summary)
    app.connect("autodoc-process-docstring", link_papers)
    app.connect("doctree-resolved", describe_pictures)
    app.connect("doctree-resolved", link_names)
    app.connect("autodoc-process-docstring", literal_equations, priority=400)
    app.connect("autodoc-process-docstring", refuse_split_returns, priority=600)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("doctree-read", name_classes)
    app.connect("doctree-read", keep_ranges_together)
    app.connect("doctree-read", align_numbers)
    app.connect("env-check-consistency", refuse_undocumented_names)
