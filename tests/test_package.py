"""The package as a whole: who imports whom, public names, docstrings that run."""

import ast
import doctest
import functools
import graphlib
import importlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

PACKAGE = pathlib.Path(keras_mixup.__file__).parent
ROOT = pathlib.Path(__file__).parent.parent


def module_name(path):
    """ "" for the package itself, "blend" for its part, "blend._box" for a module in that."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
DOCTESTS = [name for name, path in MODULES.items() if ">>>" in path.read_text()]


@functools.cache
def tree(name):
    return ast.parse(MODULES[name].read_text())


def only_for_types(name):
    """The statements that are there for type checkers alone."""
    return {
        statement
        for node in ast.walk(tree(name))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in ast.walk(node)
    }


@functools.cache
def imports(name):
    """The modules of the package that a module imports, wherever in it."""
    found = set()
    for node in set(ast.walk(tree(name))) - only_for_types(name):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # What is imported may be a module, or a name in one.
            found |= {
                full if full.removeprefix("keras_mixup.") in MODULES else node.module
                for full in (f"{node.module}.{alias.name}" for alias in node.names)
            }
    return {
        module.removeprefix("keras_mixup").removeprefix(".")
        for module in found
        if module.partition(".")[0] == "keras_mixup"
    }


def test_imports_have_no_cycles():
    graphlib.TopologicalSorter({name: imports(name) for name in MODULES}).prepare()


@pytest.mark.parametrize("name", MODULES)
def test_private_modules_are_imported_from_inside_their_package_or_by_the_root(name):
    for imported in imports(name):
        parts = imported.split(".")
        for k, part in enumerate(parts):
            home = ".".join(parts[:k])
            inside = not home or f"{name}.".startswith(f"{home}.")
            assert not part.startswith("_") or inside or "." not in name, f"imports {imported}"


def test_mixing_in_a_model_is_imported_as_a_whole():
    for name in MODULES:
        if not name.startswith("_in_model"):
            assert not any(imported.startswith("_in_model.") for imported in imports(name)), name


@pytest.mark.parametrize("folder", ["examples", "benchmarks", "docs"])
def test_what_users_read_imports_nothing_private(folder):
    paths = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    assert paths
    for path in paths:
        for line in path.read_text().splitlines():
            if "import" in line:
                assert "keras_mixup._" not in line, path
                assert "keras_mixup import _" not in line, path


def pipeline():
    """The modules that run inside a tf.data pipeline: those that recipes and pairs need.

    Those that mix in a model follow Keras instead.
    """
    found, todo = set(), {"recipes", "pairs"}
    while todo:
        found |= todo
        todo = {imported for name in todo for imported in imports(name)} - found
    return {name for name in found if not name.startswith("_in_model")}


def dotted_names(name):
    """Such as `tf.random.uniform`, where they are read in full."""
    attributes = [node for node in ast.walk(tree(name)) if isinstance(node, ast.Attribute)]
    parts = {id(node.value) for node in attributes}
    return {ast.unparse(node) for node in attributes if id(node) not in parts}


OTHER_RANDOMNESS = ("keras.random", "np.random", "random", "tf.random")
# The last one draws the fresh seed of a call without a seed.
ALLOWED = ("np.random.SeedSequence", "tf.random.stateless_normal", "tf.random.uniform")
PYTHON = ("keras.ops", "tf.numpy_function", "tf.py_function")


@pytest.mark.parametrize("name", sorted(pipeline()))
def test_no_other_randomness_and_no_python_in_the_pipeline(name):
    for dotted in dotted_names(name):
        if not dotted.startswith(ALLOWED):
            for forbidden in OTHER_RANDOMNESS + PYTHON:
                assert not f"{dotted}.".startswith(f"{forbidden}.")


def test_the_pipeline_needs_neither_plots_nor_measures():
    assert not {name.partition(".")[0] for name in pipeline()} & {"metrics", "plot"}


def test_all_is_what_it_says():
    for name in keras_mixup.__all__:
        assert getattr(keras_mixup, name).__doc__


@pytest.mark.parametrize("name", DOCTESTS)
def test_docstring_examples_run(name):
    import tensorflow_probability as tfp

    module = importlib.import_module(f"keras_mixup.{name}")
    ds = tf.data.Dataset.from_tensor_slices((np.zeros((8, 4, 5, 3), "float32"), np.arange(8)))
    x, y = np.random.default_rng(0).random((8, 4), "float32"), np.arange(8)
    names = {**vars(keras_mixup), "tf": tf, "tfp": tfp, "np": np, "ds": ds, "x": x, "y": y}
    names |= vars(module)
    names["keras_mixup"] = keras_mixup
    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted > 0


def run(script):
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]


USE = """
import numpy as np
from keras_mixup import mixup
x, y = mixup(0.2, num_classes=3, seed=0)(np.ones((4, 2), "float32"), np.arange(4) % 3)
assert y.shape == (4, 3)
"""


IMPORTS = {
    # TensorFlow and Keras may load them; this package does not before it needs them.
    "loads neither TFP nor matplotlib": (
        "import sys, tensorflow, keras; before = set(sys.modules); import keras_mixup\n"
        "late = {'tensorflow_probability', 'tf_keras', 'matplotlib'}\n"
        "assert not late & set(sys.modules) - before\n" + USE
    ),
    # A tensor made at import would start TensorFlow, and strategies of several workers fail.
    "leaves TensorFlow to be configured": (
        "import keras_mixup, tensorflow as tf\n"
        "tf.config.threading.set_intra_op_parallelism_threads(1)"
    ),
    # TFP needs tf-keras, and Keras 2 or 3 is chosen by who comes first.
    "before TFP": "import keras_mixup, tensorflow_probability, keras, tensorflow" + USE,
    "after TFP": "import tensorflow_probability, keras_mixup" + USE,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IMPORTS)
def test_import(name):
    run(IMPORTS[name])


@pytest.mark.slow
def test_a_missing_sampler_says_what_to_install():
    run("""
import sys
import numpy as np
from keras_mixup import mixup
x, y = np.ones((4, 2), "float32"), np.ones((4, 3), "float32")
for missing in "tensorflow_probability", "tf_keras":
    sys.modules[missing] = None
    mixup(0)(x, y)
    try:
        mixup(0.2)(x, y)
    except ImportError as error:
        assert 'pip install "tensorflow-probability[tf]"' in str(error), error
    else:
        raise AssertionError(missing)
    del sys.modules[missing]
""")
