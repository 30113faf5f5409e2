"""The handbook. From the repository's root: `sphinx-build -c docs -W . build/handbook`.

The source directory is the repository, so that links between pages, examples and benchmarks are the
same here and where the files are read one by one.
"""

import importlib
import importlib.metadata
import os
import pkgutil
import re

from docutils import nodes
from sphinx.util import inspect, logging
from sphinx.util.docutils import SphinxDirective

# The handbook documents signatures; nothing in it runs on a device or is worth a log line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Modules whose names are public as `keras_mixup.<name>`.
REEXPORTED = ("pairs", "recipes")

project = "keras_mixup"
author = "the keras_mixup authors"
project_copyright = author
version = release = importlib.metadata.version("keras-mixup")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
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
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are shown as they were saved
nb_merge_streams = True
nb_render_markdown_format = "myst"  # with tables, which CommonMark does not have

# Docstrings.
default_role = "literal"
add_module_names = False
autodoc_inherit_docstrings = False  # a class lists what it adds to its base class
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Names of other packages, which the handbook does not link to.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(abc|collections|keras|matplotlib|numpy|tensorflow)\..*")]
napoleon_numpy_docstring = False
napoleon_custom_sections = [
    ("Attributes", "params_style"),
    ("Call arguments", "params_style"),
    ("Returns when called", "returns_style"),
]

# Look.
html_theme = "furo"
html_title = "keras_mixup"
html_static_path = ["_static"]
html_css_files = ["handbook.css"]
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
            result += ["::", ""]
        result.append(line)
        previous = line if line.strip() else previous
    lines[:] = result


def refuse_split_returns(app, what, name, obj, options, lines):
    """A warning where napoleon took the words before a colon for the type of what is returned."""
    if any(line.startswith(":rtype:") for line in lines):
        logging.getLogger("keras_mixup").warning("%s: a colon in the first line of Returns", name)


def own_signature(app, what, name, obj, options, signature, result):
    """The arguments of Keras's layers and models, whose base class has a generic `__new__`."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__, bound_method=True)
        return inspect.stringify_signature(own, show_annotation=False), result
    return None


def keep_ranges_together(app, doctree):
    """No line of a table breaks inside a range, as in "5.0 (4.1 to 5.9)", or before a "%"."""
    unbroken = re.compile(r"\(\S+ to \S+\)|\d %|± \d")
    for entry in doctree.findall(nodes.entry):
        for text in list(entry.findall(nodes.Text)):
            new = unbroken.sub(lambda found: found[0].replace(" ", "\u00a0"), text)
            text.parent.replace(text, nodes.Text(new))


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
    app.add_directive("recipes", Recipes)
    app.connect("autodoc-process-docstring", literal_equations, priority=400)
    app.connect("autodoc-process-docstring", refuse_split_returns, priority=600)
    app.connect("autodoc-process-signature", own_signature)
    app.connect("doctree-read", keep_ranges_together)
    app.connect("env-check-consistency", refuse_undocumented_names)
