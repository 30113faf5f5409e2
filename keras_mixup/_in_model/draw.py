"""What a training step draws: a function of the seed, the step, the row and the replica.

Everything is integer arithmetic up to the table of Beta, so that TensorFlow, JAX and PyTorch draw
the same partners and layers, and the same lam up to its last bit but one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_mixup import _arguments, _beta, coefficient, pairing
from keras_mixup.schedule import Window, value_at

BACKEND = keras.backend.backend()
# JAX has no 64-bit integers by default, and PyTorch no arithmetic with unsigned ones. The low 32
# bits of sums and products are the same in both.
_WORD = "uint32" if BACKEND == "jax" else "int64"
# Words per row: of the layer, of the partner, and of the coefficient, whose parts take what they
# need in turn.
_WORDS = 16
# Coefficients that `_lam` draws with on every backend.
_KNOWN = (
    coefficient.Beta,
    coefficient.Constant,
    coefficient.Majority,
    coefficient.PerBatch,
    coefficient.Sometimes,
)


class Draw(NamedTuple):
    """Everything random about one step.

    Attributes:
        lam: float32 `[B]`, the share of the original.
        partner: int32 `[B]`, the row that is mixed into each example.
        layer: int32 scalar, the index of the point at which the batch is mixed.
    """

    lam: Any
    partner: Any
    layer: Any


def draw(mix: Any, points: int, key: Any, step: Any, place: Any, size: Any, y: Any) -> Draw:
    """Draw lam, partners and the point for one batch.

    Args:
        mix: the mix.
        points: the number of points.
        key: two words that the seed gives.
        step: the number of batches before this one.
        place: the index of the replica.
        size: size of the batch.
        y: labels, as the data has them, for a pairing that depends on them.
    """
    words = iter(ops.unstack(_bits(key, step, place, size), _WORDS))
    layer = _index(next(words)[0], points)
    partner = _partner(mix.pairing, words, size, y)
    lam = _lam(mix.coefficient, words, size, step)
    # An example that is its own partner, as in a batch of one, remains unmixed.
    return Draw(ops.where(partner == _range(size), 1.0, lam), partner, layer)


def replica() -> Any:
    """The index of the replica under a TensorFlow strategy, otherwise 0."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.replica_id_in_sync_group
    return 0


def is_average() -> bool:
    """Whether Keras builds a model, under a TensorFlow strategy, with the mean of the replicas."""
    if BACKEND != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.in_cross_replica_context())


def check_parts(mix: Any) -> None:
    """Raise an error for a part that is made of TensorFlow operations, on another backend."""
    if BACKEND == "tensorflow":
        return
    parts = [mix.coefficient]
    while hasattr(parts[-1], "coefficient"):
        parts.append(parts[-1].coefficient)
    for part in parts:
        if not isinstance(part, _KNOWN) or callable(getattr(part, "alpha", None)):
            fail_part("coefficient", part)
        if not _traces(getattr(part, "probability", None)):
            fail_part("probability", part.probability)
    if not isinstance(mix.pairing, (type(None), pairing.Rotation, pairing.Cyclic)):
        fail_part("pairing", mix.pairing)


def fail_part(name: str, part: Any) -> None:
    _arguments.fail(
        ValueError,
        f"This part is made of TensorFlow operations, which a training step with the {BACKEND} "
        "backend cannot run.",
        "Mix in the pipeline: ds.apply(mix) takes every part.",
        **{name: part},
    )


def _traces(schedule: Any) -> bool:
    """Whether the backend can compute a schedule in a compiled step."""
    if not callable(schedule) or isinstance(schedule, Window):
        return True
    try:
        value = schedule(_whole(0))
        keras.layers.Lambda(schedule).compute_output_spec(keras.KerasTensor((), "int32"))
    except Exception:
        return False
    return isinstance(value, (float, int, np.number)) or bool(ops.is_tensor(value))


def _bits(key: Any, step: Any, place: Any, size: Any) -> Any:
    """Random words `[_WORDS, B]`, each uniform on 0, ..., 2^32 - 1.

    For a given row and seed, every step gives another result, because each line is one-to-one in
    what it adds.
    """
    word = _whole(_range(size)) * _WORDS + _whole(ops.arange(_WORDS))[:, None]
    first = _scrambled(_low(word + _whole(key[0])))
    second = _scrambled(_low(first + _whole(step)))
    third = _scrambled(_low(second * _whole(0x9E3779B1) + first + _whole(key[1])))
    return _scrambled(_low(third + _whole(place) * _whole(0x85EBCA77)))


def _scrambled(word: Any) -> Any:
    """A one-to-one function of 32 bits whose every bit depends on all of them ("lowbias32")."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        word = _low(_shifted(word, shift) * _whole(factor))
    return _shifted(word, 16)


def _shifted(word: Any, shift: int) -> Any:
    return ops.bitwise_xor(word, ops.right_shift(word, _whole(shift)))


def _low(word: Any) -> Any:
    return ops.bitwise_and(word, _whole(0xFFFFFFFF))


def _whole(value: Any) -> Any:
    """A number, or a tensor of integers, in the dtype of words."""
    if isinstance(value, int):
        return ops.convert_to_tensor(np.asarray(value, _WORD))
    return ops.cast(value, _WORD)


def _range(size: Any) -> Any:
    return ops.arange(size, dtype="int32")


def _fraction(word: Any) -> Any:
    """float32, uniform on the multiples of 2^-24 in [0, 1)."""
    return ops.cast(ops.right_shift(word, _whole(8)), "float32") * 2.0**-24


def _index(word: Any, count: Any) -> Any:
    """int32, uniform on 0, ..., count - 1; a product alone is rounded alike everywhere."""
    return ops.cast(_fraction(word) * ops.cast(count, "float32"), "int32")


# ---------------------------------------------------------------- who


def _partner(part: Any, words: Iterator[Any], size: Any, y: Any) -> Any:
    if isinstance(part, pairing.Cyclic):
        order = ops.cast(ops.argsort(next(words)), "int32")
        return ops.take(ops.roll(order, -1), ops.argsort(order))
    if part is None or isinstance(part, pairing.Rotation):
        offset = 1 + _index(next(words)[0], ops.maximum(size - 1, 1))
        return ops.mod(_range(size) + offset, size)
    return part(size, y, _seed(words))


def _seed(words: Iterator[Any]) -> Any:
    """int32 `[2]`, for a part that is made of TensorFlow operations."""
    return ops.cast(ops.stack([next(words)[0], next(words)[0]]), "int32")


# ---------------------------------------------------------------- how much


def _lam(part: Any, words: Iterator[Any], size: Any, step: Any) -> Any:
    """lam, `[size]`; each part takes its words in turn."""
    if isinstance(part, coefficient.Constant):
        return ops.full([size], np.float32(part.lam), dtype="float32")
    if isinstance(part, coefficient.PerBatch):
        lam = _lam(part.coefficient, (word[:1] for word in words), 1, step)
        return ops.broadcast_to(lam, [size])
    if isinstance(part, coefficient.Majority):
        lam = _lam(part.coefficient, words, size, step)
        return ops.maximum(lam, 1 - lam)
    if isinstance(part, coefficient.Sometimes):
        often = _fraction(next(words)) < _probability(part.probability, step)
        return ops.where(often, _lam(part.coefficient, words, size, step), 1.0)
    if isinstance(part, coefficient.Beta) and not callable(part.alpha):
        return _of_beta(part.alpha, next(words), next(words))
    return part([size], _seed(words), step)


def _of_beta(alpha: float, word: Any, side: Any) -> Any:
    """See `_beta.draw`: the same equation, in Keras operations."""
    f = ops.cast(word, "float32") + 0.5
    if alpha == 0:
        return ops.ones_like(f)
    row = ops.searchsorted(ops.convert_to_tensor(_beta.KNOTS), f, side="right") - 1
    line = ops.take(ops.convert_to_tensor(_beta.quantile_table(alpha)), row, axis=0)
    e = ops.exp(line[:, 0] + line[:, 1] * f)
    return ops.where(side < _whole(2**31), e, 1.0) / (1.0 + e)


def _probability(value: Any, step: Any) -> Any:
    if not callable(value):
        return value
    if BACKEND == "tensorflow":
        return value_at("probability", value, step, high=1)
    if isinstance(value, Window):
        inside = ops.logical_and(step >= value.start, step < (value.stop or 2**31 - 1))
        return ops.cast(inside, "float32")
    return ops.cast(value(step), "float32")
