"""A stock `model.fit` trains on all three uses, on every Keras backend that is installed."""

import importlib.util
import os
import subprocess
import sys

import pytest

BACKENDS = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None
]

SCRIPT = """
import keras, numpy as np, sklearn.datasets, tensorflow as tf
from keras_mixup import choose, cutmix, metrics, mixup, schedule, shuffled_pairs

assert keras.backend.backend() == {backend!r}
keras.config.set_dtype_policy({policy!r})
keras.utils.set_random_seed(1)
digits = sklearn.datasets.load_digits()
x, y = (digits.images / 16).astype("float32")[..., None], digits.target
train = tf.data.Dataset.from_tensor_slices((x[:600], y[:600]))
# Validation data is not mixed: only its ids become one-hot.
val = tf.data.Dataset.from_tensor_slices((x[600:900], np.eye(10, dtype="float32")[y[600:900]]))
val = val.batch(100)
mix = mixup(0.2, num_classes=10, seed=0)
uses = dict(
    apply=train.shuffle(600, seed=1).batch(64).apply(mix),
    map=train.shuffle(600, seed=1).batch(64).map(mix),
    pairs=train.apply(shuffled_pairs(600, seed=1)).batch(64).apply(mix),
    weighted=train.map(lambda x, y: (x, y, 0.5)).batch(64).apply(mix),
    choice=train.batch(64).apply(choose(mix, cutmix(num_classes=10), seed=2)),
    warm_up=train.repeat().batch(64).apply(
        mixup(1.0, num_classes=10, seed=0, probability=schedule.Window(start=10))
    ),
)
for name, dataset in uses.items():
    model = keras.Sequential([
        keras.layers.Conv2D(16, 3, activation="relu"), keras.layers.MaxPooling2D(),
        keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax", dtype="float32"),
    ])
    model.compile(
        keras.optimizers.Adam(0.01), "categorical_crossentropy",
        metrics=["accuracy", metrics.SoftAccuracy()],
    )
    steps = 10 if name == "warm_up" else None  # the others end
    history = model.fit(
        dataset.prefetch(2), validation_data=val, epochs=3, steps_per_epoch=steps, verbose=0
    ).history
    assert all(np.isfinite(values).all() for values in history.values()), name
    assert history["val_accuracy"][-1] > 0.7, (name, history["val_accuracy"])
    assert abs(history["val_accuracy"][-1] - history["val_soft_accuracy"][-1]) < 1e-6, name
"""


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_stock_fit(backend, policy):
    script = SCRIPT.format(backend=backend, policy=policy)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
