"""Elements that are passed directly: what is converted, and the hash of their contents."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import differ, provenance

from keras_mixup import choose, cutmix, mixup, specmix
from keras_mixup._engine.tensors import as_tensors, fingerprint

X, IDS = provenance(6)


def test_iterators_are_refused_at_once():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2**31

        def __getitem__(self, index):
            return X, IDS

    endless, batches = itertools.count(), Batches()
    for call in ((endless,), (batches,), (X, endless), (X, batches), ({"a": endless}, IDS)):
        with pytest.raises(TypeError, match=r"from_generator.*Received: "):
            mixup(num_classes=6)(*call)


def test_one_tuple_is_told_to_be_two_arguments():
    for call in (lambda: mixup(num_classes=6)((X, IDS)), lambda: mixup(num_classes=6)([X, IDS])):
        with pytest.raises(ValueError, match=r"mix\(x, y\), or mix\(\*element\)"):
            call()
    dataset = tf.data.Dataset.from_tensor_slices((X, IDS)).batch(3)
    mix = mixup(num_classes=6)
    with pytest.raises(ValueError, match=r"mix\(\*element\)"):
        dataset.map(lambda *element: mix(element))


def shapes(element):
    """The structure, with a shape in place of every tensor."""
    return tf.nest.map_structure(
        lambda leaf: tuple(leaf.shape) if tf.is_tensor(leaf) else leaf, as_tensors(element)
    )


def test_lists_of_numbers_are_arrays_and_other_lists_are_structure():
    x = np.zeros((2, 3))
    assert shapes(([1, 2], [[1.0, 2.0], [3.0, 4.0]])) == ((2,), (2, 2))
    assert shapes(([x, x], (1, 2))) == ([(2, 3), (2, 3)], ((), ()))
    assert shapes(({"a": ["b", "c"], "d": [x]}, 1.0)) == ({"a": (2,), "d": [(2, 3)]}, ())
    assert shapes(([[1, 2], x], None)) == ([(2,), (2, 3)], None)
    assert shapes(([], [()])) == ([], [()])


def test_tensors_stay_and_variables_are_read():
    tensor, ragged = tf.zeros([2]), tf.ragged.constant([[1], [2, 3]])
    one, other, read = as_tensors((tensor, ragged, tf.Variable([1.0])))
    assert one is tensor
    assert other is ragged  # refused later, with its place
    assert isinstance(read, tf.Tensor)


@pytest.mark.parametrize("value", [[[1, 2], [3]], object()])
def test_what_is_no_array_is_refused(value):
    with pytest.raises(TypeError, match=r"tensors, NumPy arrays or lists.*Received: value="):
        as_tensors((np.zeros(2), value))


def test_a_step_that_jax_compiles_is_told_where_to_mix():
    """What it traces cannot be converted to arrays, which was the advice."""
    jax = pytest.importorskip("jax")
    with pytest.raises(TypeError, match=r"in the pipeline.*mix.wrap.*Received: value='\w*Tracer'"):
        jax.jit(mixup(0.2, num_classes=3, seed=0))(np.zeros((2, 4), "float32"), np.arange(2))


# ---------------------------------------------------------------- the fingerprint


def value_of(*leaves):
    return int(fingerprint([tf.constant(leaf) for leaf in leaves]))


def test_small_integers_in_another_order_have_another_fingerprint():
    """A sum that is linear in the values would not tell [0, 2] from [1, 0]."""
    found = [value_of(np.array(ids)) for ids in itertools.product(range(4), repeat=5)]
    assert len(set(found)) == 4**5


def test_the_same_numbers_in_another_leaf_have_another_fingerprint():
    assert value_of(IDS, IDS[::-1]) != value_of(IDS[::-1], IDS)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "bool", "int16", "float16", "bfloat16", "int32", "int64", "float64"]
)
def test_values_of_every_dtype_are_told_apart(dtype):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 2 if dtype == "bool" else 100, (30, 4, 3))
    found = {int(fingerprint([tf.cast(batch, dtype)])) for batch in numbers}
    assert len(found) == len({batch.tobytes() for batch in numbers})


def test_shapes_that_are_known_or_not_compiled_or_not_give_the_same():
    leaves = [tf.constant(X), tf.constant(IDS), tf.cast(X[..., 0], tf.float16)]
    expected = int(fingerprint(leaves))
    compiled = tf.function(fingerprint, jit_compile=True)
    assert int(compiled(leaves)) == expected
    small = tf.constant(X[:, 0, 0])
    unknown = tf.function(fingerprint, input_signature=[[tf.TensorSpec([None, None])]])
    assert int(unknown([small])) == int(fingerprint([small]))


# ---------------------------------------------------------------- a step of one's own

MIXES = {
    "mixup": mixup(0.4, num_classes=6, seed=1),
    "cutmix": cutmix(num_classes=6, seed=1),
    "choose": choose(mixup(1.0, num_classes=6), cutmix(num_classes=6), None, seed=1),
    "specmix": specmix(num_classes=6, seed=1),
}


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_in_a_compiled_step_draws_the_same(name):
    """But for the last bit of lam: XLA rounds `exp` and quotients in its own way."""
    mix = MIXES[name]
    x = X if name != "specmix" else X[..., 0]
    step = tf.function(lambda x, y: mix(x, y), jit_compile=True)
    for k in range(3):
        element = tf.constant(np.roll(x, k, axis=0)), tf.constant(IDS)
        for one, other in zip(step(*element), mix(*element)):
            np.testing.assert_allclose(one, other, rtol=0, atol=2 * np.finfo("float32").eps)


def test_ids_out_of_range_are_nan_in_a_compiled_step():
    step = tf.function(lambda x, y: mixup(num_classes=6, seed=0)(x, y), jit_compile=True)
    assert np.isfinite(step(X, IDS)[1]).all()
    for wrong in (-1, 6):
        assert np.isnan(step(X, np.where(IDS == 2, wrong, IDS))[1]).any()


def test_a_compiled_step_without_a_seed_draws_anew():
    mix = mixup(1.0, num_classes=6)
    step = tf.function(lambda x, y: mix(x, y), jit_compile=True)
    found = [[leaf.numpy() for leaf in step(X, IDS)] for _ in range(10)]
    assert differ(found[:5], found[5:])
