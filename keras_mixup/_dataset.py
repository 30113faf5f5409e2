"""What the package asks of `tf.data` beyond its public methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments


def check_endless(dataset: tf.data.Dataset) -> None:
    """Raise for a dataset that ends, or of which TensorFlow cannot tell."""
    cardinality = tf.get_static_value(dataset.cardinality())
    if cardinality != tf.data.INFINITE_CARDINALITY:
        _arguments.fail(
            ValueError,
            "A mix with a schedule needs an endless dataset: `fit` would start a finite one, and "
            "with it the schedule, anew in every epoch.",
            "Call ds.repeat() before the mix and give fit(steps_per_epoch=...).",
            cardinality=cardinality,
        )


def largest_batch(dataset: tf.data.Dataset) -> int | None:
    """The size of all batches but a smaller last one, where TensorFlow can tell it."""
    if not tf.executing_eagerly():
        return None
    variant = tf.data.experimental.to_variant(dataset)
    size = int(tf.raw_ops.ComputeBatchSize(input_dataset=variant))
    return size if size > 0 else None


def map_in_place(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """`dataset.map(function)`, run in the thread that asks for the element.

    `Dataset.map` hands each call to a thread pool, which for a function of one compiled op costs
    more than the function, and lets several calls compete for the memory bus. The option to run
    in place exists only on the op. The function may not hold control flow.
    """
    specs = dataset.element_spec

    @tf.function(autograph=False)
    def flat(*tensors: tf.Tensor) -> Any:
        return function(*tf.nest.pack_sequence_as(specs, tensors))

    concrete = flat.get_concrete_function(*tf.nest.flatten(specs))
    result = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), concrete.structured_outputs
    )
    leaves = tf.nest.flatten(result)
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
    # A variant does not keep alive what Python objects own: lookup tables and generators that
    # the dataset's own functions use.
    mapped._keras_mixup_source = (dataset, concrete)
    return mapped


def as_seed(pair: tf.Tensor) -> tf.Tensor:
    """Two draws of `Dataset.random`, int64 in [0, 2^32), as an int32 seed."""
    return tf.bitcast(tf.cast(pair, tf.uint32), tf.int32)
