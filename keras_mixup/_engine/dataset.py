"""What the package needs from `tf.data` beyond its public methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._nest import is_none

_MOST = 2**63 - 1


def check_endless(dataset: tf.data.Dataset) -> None:
    """Raise an error for a dataset that is finite, or for which TensorFlow cannot tell."""
    cardinality = tf.get_static_value(dataset.cardinality())
    if cardinality != tf.data.INFINITE_CARDINALITY:
        _arguments.fail(
            ValueError,
            "A mix with a schedule needs an endless dataset: `fit` would restart a finite one, "
            "and with it the schedule, in every epoch.",
            "Call ds.repeat() before the mix, and pass steps_per_epoch to fit.",
            cardinality=cardinality,
        )


def map_numbered(
    dataset: tf.data.Dataset,
    function: Callable[..., Any],
    seed: int | None,
    numbering: tuple[int, int] | None,
) -> tf.data.Dataset:
    """`dataset.map` of `function(index, salt, element)`.

    The batches are numbered from 0, with a salt that differs in each iteration over the dataset; or
    as `numbering` says, `(start, stride)`, without salt.
    """
    if numbering is not None and tf.inside_function():
        start, stride = numbering
        _arguments.fail(
            ValueError,
            "A dataset that is created inside a function, as in interleave and flat_map, does not "
            "know which batches of the training run it holds: all would count the same.",
            "Apply the mix to the dataset that interleave or flat_map returns.",
            start=start,
            stride=stride,
        )
    numbers = counted(salts(seed)) if numbering is None else counted(None, *numbering)
    # The numbers are first, because TensorFlow's auto-sharding looks for files in the first dataset
    # of a zip.
    numbered = tf.data.Dataset.zip((numbers, dataset))
    return map_in_place(numbered, lambda number, element: function(*number, element))


def counted(salts: tf.data.Dataset | None, start: int = 0, stride: int = 1) -> tf.data.Dataset:
    """An endless dataset of `(index, salt)`, both int64; index k is `start + k * stride`.

    Without `salts`, every salt is 0.
    """
    if salts is None:
        salts = tf.data.Dataset.from_tensors(tf.zeros([], tf.int64)).repeat()
    # Not Dataset.counter, which costs 30 us per element. The range is repeated, because a dataset
    # that is zipped with a finite one is finite.
    indices = tf.data.Dataset.range(start, _MOST, stride).repeat()
    return tf.data.Dataset.zip((indices, salts))


def salts(seed: int | None) -> tf.data.Dataset:
    """Endless random numbers, int64 in [0, 2^32), which differ in each iteration.

    With a seed, they depend only on the seed and on how often the dataset was iterated over;
    `tf.data.Dataset.random` would also use the global seed. Without a seed, they are fresh, or
    follow the global seed, as all of TensorFlow does.
    """
    words = tf.compat.v1.random.get_seed(None) if seed is None else (seed & _MOST, seed >> 63 & 1)
    variant = tf.raw_ops.RandomDatasetV2(
        seed=words[0] or 0,
        # Two zeros would mean a fresh seed.
        seed2=(words[1] or 0) if seed is None else words[1] + 1,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        rerandomize_each_iteration=True,
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.int64))


def map_in_place(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """`dataset.map(function)`, run in the thread that requests the element.

    `Dataset.map` hands each call to a thread pool. For a function of one compiled op, this costs
    more than the function itself, and lets several calls compete for the memory bus. The option to
    run in place exists only on the op.

    Starting an iterator instantiates the function. A multi-device function goes through
    TensorFlow's graph optimizer each time, which costs about 0.15 ms of CPU time per op and finds
    nothing to improve here. The attribute makes the function a single-device function: an iterator
    of `mixup` then starts in a sixth of the time.
    """
    specs = dataset.element_spec
    flat_specs = tf.nest.flatten(specs)
    tensors = [spec for spec in flat_specs if not is_none(spec)]

    @tf.function(autograph=False, experimental_attributes={"experimental_ints_on_device": True})
    def flat(*values: tf.Tensor) -> Any:
        given = iter(values)
        leaves = [None if is_none(spec) else next(given) for spec in flat_specs]
        return function(*tf.nest.pack_sequence_as(specs, leaves))

    concrete = flat.get_concrete_function(*tensors)
    none = next((spec for spec in flat_specs if is_none(spec)), None)
    result = tf.nest.map_structure(
        lambda tensor: none if tensor is None else tf.TensorSpec(tensor.shape, tensor.dtype),
        concrete.structured_outputs,
    )
    leaves = [leaf for leaf in tf.nest.flatten(result) if not is_none(leaf)]
    variant = tf.raw_ops.MapDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        other_arguments=concrete.captured_inputs,
        f=concrete,
        output_types=[leaf.dtype for leaf in leaves],
        output_shapes=[leaf.shape for leaf in leaves],
        use_inter_op_parallelism=False,
        preserve_cardinality=True,
        force_synchronous=True,
    )
    mapped = tf.data.experimental.from_variant(variant, result)
    # A variant does not keep resources alive that Python objects own, such as lookup tables and
    # generators that the functions of the dataset use.
    mapped._keras_mixup_source = (dataset, concrete)
    return mapped
