"""The package as a whole: imports, structure, public names, docstrings that run."""

import ast
import doctest
import importlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

PACKAGE = pathlib.Path(keras_mixup.__file__).parent

# Import direction: each module may import the modules of lower rank, and no other.
RANK = {
    "_arguments": 0,
    "_config": 0,
    "_interpolate": 0,
    "_boxes": 1,
    "_dataset": 1,
    "metrics": 1,
    "class_weights": 1,
    "neighbors": 1,
    "schedule": 1,
    "label_share": 1,
    "plot": 1,
    "targets": 2,
    "pairing": 1,
    "coefficient": 2,
    "blend._bits": 1,
    "blend._dtype": 1,
    "blend._images": 2,
    "blend._linear": 3,
    "blend._bands": 3,
    "blend._box": 3,
    "blend._fourier": 3,
    "blend._resized": 3,
    "blend": 4,
    "analysis._data": 1,
    "analysis._gradient": 1,
    "analysis._report": 1,
    "analysis._classifier": 2,
    "analysis._adversarial": 3,
    "analysis._between": 3,
    "analysis._boundary": 3,
    "analysis._label_noise": 3,
    "analysis._reliability": 3,
    "analysis._calibration": 4,
    "analysis": 5,
    "_element": 4,
    "_transformation": 5,
    "mix": 6,
    "with_clean": 6,
    "choice": 7,
    "recipes": 7,
    "cut_recipes": 8,
    "__init__": 9,
}
MODULES = {
    str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".").removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras_mixup"):
            package = node.module.removeprefix("keras_mixup").removeprefix(".")
            for alias in node.names:  # a module, or a name in one
                module = f"{package}.{alias.name}".removeprefix(".")
                yield module if module in RANK else package


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_in_one_direction(name):
    assert name in RANK, "give a new module its rank"
    for imported in imported_modules(MODULES[name]):
        assert RANK[imported] < RANK[name], f"{name} imports {imported}"


@pytest.mark.parametrize("name", MODULES)
def test_private_modules_of_a_part_stay_private(name):
    for imported in imported_modules(MODULES[name]):
        package, _, module = imported.rpartition(".")
        assert not package or name.startswith(package), f"{name} imports {module} of {package}"


@pytest.mark.parametrize("name", MODULES)
def test_no_other_randomness_and_no_python_in_the_pipeline(name):
    text = MODULES[name].read_text()
    if name in ("metrics", "plot") or name.startswith("analysis"):  # not in the pipeline
        return
    for forbidden in ("np.random.rand", "np.random.beta", "keras.ops", "py_function", "set_seed"):
        assert forbidden not in text


def test_all_is_what_it_says():
    for name in keras_mixup.__all__:
        assert getattr(keras_mixup, name).__doc__


def test_analysis_all_is_what_it_says():
    assert all(getattr(keras_mixup.analysis, name).__doc__ for name in keras_mixup.analysis.__all__)


DOCTESTS = [
    "choice",
    "class_weights",
    "coefficient",
    "cut_recipes",
    "metrics",
    "mix",
    "neighbors",
    "pairing",
    "recipes",
    "schedule",
    "with_clean",
]


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
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.slow
def test_import_loads_neither_tfp_nor_matplotlib():
    """TensorFlow and Keras may load them; this package does not."""
    script = (
        "import sys, tensorflow, keras; before = set(sys.modules); import keras_mixup;"
        "print({'tensorflow_probability', 'tf_keras', 'matplotlib'} & set(sys.modules) - before)"
    )
    assert run(script).stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["tensorflow_probability", "tf_keras"])
def test_a_missing_sampler_says_what_to_install(missing):
    script = f"""
import sys
sys.modules[{missing!r}] = None
import numpy as np
from keras_mixup import mixup
x, y = np.ones((4, 2), "float32"), np.ones((4, 3), "float32")
mixup(0)(x, y)
mixup(0.2)(x, y)
"""
    result = run(script)
    assert result.returncode == 1
    assert 'pip install "tensorflow-probability[tf]"' in result.stderr.splitlines()[-1]
