"""The examples in the docs run, in their order."""

import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = ["docs/data.md", "docs/schedules.md", "docs/imbalance.md", "docs/scaling.md"]


def namespace():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, 8, 9, 3)).astype("uint8")
    labels = rng.integers(0, 10, 32)
    table = rng.random((32, 8), dtype="float32")
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("sgd", "categorical_crossentropy")
    fit = model.fit
    # Keras warns that it does not shuffle a dataset unless told not to.
    model.fit = lambda *args, **kwargs: fit(*args, **kwargs, shuffle=False, verbose=0)
    return {
        **{name: getattr(keras_mixup, name) for name in keras_mixup.__all__},
        "keras": keras,
        "np": np,
        "tf": tf,
        "of": tf.data.Dataset.from_tensor_slices,
        "images": images,
        "nchw": np.moveaxis(images, -1, 1).astype("float32"),
        "clips": rng.integers(0, 256, (32, 2, 8, 9, 3)).astype("uint8"),
        "waves": rng.random((32, 50), dtype="float32"),
        "spectrograms": rng.random((32, 10, 12), dtype="float32"),
        "labels": labels,
        "table": table,
        "one_hot": np.eye(3, dtype="float32")[labels % 3],
        "tokens": rng.integers(0, 20, (32, 6)),
        "embed": lambda ids: tf.gather(rng.random((20, 4), dtype="float32"), ids),
        "targets": table[:, 0],
        "tags": rng.integers(0, 2, (32, 5)),
        "masks": rng.integers(0, 4, (32, 8, 9)),
        "boxes": rng.random((32, 3, 4), dtype="float32"),
        "classes": rng.integers(-1, 5, (32, 3)),
        "model": model,
    }


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page):
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks
    names = namespace()
    for block in blocks:
        exec(compile(block, page, "exec"), names)
        if "train" in names and names["train"].cardinality() != tf.data.INFINITE_CARDINALITY:
            for element in names["train"]:
                assert len(element) in (2, 3)


def test_the_table_of_class_weights_is_what_both_do():
    """Keras's weight for a soft label, read off a loss of 1, and ours."""
    y = np.float32([[0.6, 0.4], [0.4, 0.6]])
    ours = keras_mixup.class_weights([1, 5])(tf.zeros([2, 1]), tf.constant(y))[2]
    np.testing.assert_allclose(ours, [2.6, 3.4], rtol=1e-6)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model.compile("sgd", lambda y, p: 1 + 0 * keras.ops.sum(p, axis=-1))
    for row, expected in zip(y, [1, 5]):
        loss = model.train_on_batch(np.zeros((1, 1)), row[None], class_weight={0: 1.0, 1: 5.0})
        np.testing.assert_allclose(loss, expected)
