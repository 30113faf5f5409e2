"""The same checks of a wrapped model on every Keras backend; and on several devices."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

BACKENDS = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None
]
pytestmark = pytest.mark.slow

CHECKS = """
import pathlib, sys, keras, manifold_checks, manifold_edges
assert keras.backend.backend() == sys.argv[1]
for name, check in (manifold_checks.CHECKS | manifold_edges.CHECKS).items():
    print(name, flush=True)
    check()
print("stock fit", flush=True)
manifold_checks.check_stock_fit(pathlib.Path(sys.argv[2]))
"""

# Data parallelism on JAX: a batch is divided, but every device sees all of it.
DATA_PARALLEL = """
import jax, keras, numpy as np, tensorflow as tf
from manifold_checks import blobs, small
from keras_mixup import manifold_mixup

assert len(jax.devices()) == 2
dataset = tf.data.Dataset.from_tensor_slices(blobs(64)).batch(16, drop_remainder=True)

def trained(alpha):
    keras.utils.set_random_seed(0)
    model = small()
    manifold = manifold_mixup(alpha, layers=("input", "first"), num_classes=3, seed=0)
    mixed = manifold.wrap(model)
    mixed.compile("sgd", "categorical_crossentropy")
    mixed.fit(dataset.apply(manifold), epochs=2, shuffle=False, verbose=0)
    return model.get_weights()

alone, unmixed = trained(2.0), trained(0)
keras.distribution.set_distribution(keras.distribution.DataParallel())
together = trained(2.0)
for one, other in zip(alone, together):  # sums of 16 examples as two of 8: one rounding more
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
assert max(np.abs(one - other).max() for one, other in zip(alone, unmixed)) > 1e-2
"""

MIRRORED = """
import keras, numpy as np, tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from manifold_checks import blobs
from keras_mixup import manifold_mixup

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
dataset = tf.data.Dataset.from_tensor_slices(blobs(64)).batch(16, drop_remainder=True)

def within_halves(size, y, seed):
    half, row = size // 2, tf.range(size)
    return row // half * half + (row + 1) % half

def trained(pairing):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu", name="first"), keras.layers.Dense(3)]
    )
    manifold = manifold_mixup(
        layers=("input", "first"), num_classes=3, seed=0, pairing=pairing
    )
    mixed = manifold.wrap(model)
    mixed.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    # Numbered: otherwise draws depend on how often the dataset was iterated over before, and a
    # strategy does so in its own way.
    mixed.fit(dataset.apply(manifold.indexed()), epochs=2, shuffle=False, verbose=0)
    return model.get_weights()

alone = trained(within_halves)
with strategy.scope():
    together = trained(within_halves)
for one, other in zip(alone, together):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
with strategy.scope():
    try:
        trained(None)
    except tf.errors.InvalidArgumentError as error:
        assert "Partners must be in the same batch" in str(error)
    else:
        raise AssertionError("no error")
"""


def run(script, *arguments, **environment):
    tests = str(pathlib.Path(__file__).parent)
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-300:] + result.stderr[-3000:]


@pytest.mark.parametrize("backend", BACKENDS)
def test_checks(backend, tmp_path):
    run(CHECKS, backend, str(tmp_path), KERAS_BACKEND=backend)


@pytest.mark.skipif("jax" not in BACKENDS, reason="needs JAX")
def test_data_parallel():
    run(DATA_PARALLEL, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=2")


def test_mirrored_strategy():
    run(MIRRORED, KERAS_BACKEND="tensorflow")
