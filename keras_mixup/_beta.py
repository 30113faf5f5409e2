"""lam ~ Beta(alpha, alpha) by inversion: one uniform number, one line of a table.

For a fixed alpha, Q is the quantile function of `tfp.distributions.Beta(alpha, alpha)` and u is
uniform on (0, 1/2). Then Q(u) is lam given lam < 1/2, and the law is symmetric, so that a fair coin
between Q(u) and 1 - Q(u) is a draw of lam. The table holds logit Q, piecewise linear in u.

This takes 15 cheap operations and no loop. The sampler of `tfp` takes a rejection loop, whose graph
every new iterator of a `tf.data` pipeline has to optimize again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Below this, float32 holds nothing between 0 and 1 that a draw would hit, and the sampler's
# log(U) / alpha overflows.
SMALLEST_ALPHA = 1e-6

# `tfp`'s quantile is good to 1e-9 up to here, and off by 12 % of u at 1e8. Here logit lam is normal
# but for terms of order 1 / alpha, so that a larger alpha changes only its scale, 1 / sqrt(alpha).
_LARGEST_ALPHA = 1e5

# 2^6 knots from each power of two to the next, taken from the bits of a float32: 8 of exponent, 23
# of fraction. The knots lie where f = 2^33 u is one, for f from 2^-1 to 2^32.
_KNOT_BITS = 6
_OCTAVES = 33
_SHIFT = 23 - _KNOT_BITS
_FIRST_ROW = (127 - 1) << _KNOT_BITS


def distributions() -> Any:
    """`tensorflow_probability.distributions`, loaded at first use: it costs most of a second."""
    try:
        from tensorflow_probability import distributions
    except ImportError as error:
        raise ImportError(
            "lam is drawn by TensorFlow Probability, which needs tf-keras beside it. "
            'Run `pip install "tensorflow-probability[tf]"`, or beside tensorflow-cpu '
            "`pip install --no-deps tf-keras`, in TensorFlow's version. "
            f"Received: {error}"
        ) from error
    return distributions


def logit_quantile(alpha: float, u: np.ndarray) -> np.ndarray:
    """log(Q / (1 - Q)) at every u in (0, 1/2], float64.

    The logit, because it is close to linear where the mass is. In the tail the law is a power,

        u = Q^alpha / (alpha B(alpha, alpha)) (1 + O(Q)),

    so that log Q is linear in log u; in the middle, small alpha makes logit lam uniform.
    """
    # log(alpha B(alpha, alpha)), with no cancellation where alpha is small.
    log_mass = math.log(2) + 2 * math.lgamma(1 + alpha) - math.lgamma(1 + 2 * alpha)
    tail = (np.log(u) + log_mass) / alpha
    # On the CPU whatever the machine has: the same table everywhere. At every u, also where the
    # tail is taken: `tfp` compiles its quantile anew for every number of them, in 0.1 s.
    with tf.init_scope(), tf.device("cpu:0"):
        q = distributions().Beta(np.float64(alpha), np.float64(alpha)).quantile(u).numpy()
    # `tfp` 0.25 gives 0.436 for alpha = 0.2 at this one point.
    q = np.where(u == 0.5, 0.5, q)
    # Below e^-45 the power law is exact in float64, and Q may underflow to 0.
    inner = (tail > -45) | (u == 0.5)
    q = np.where(inner, q, 0.5)
    return np.where(inner, np.log(q) - np.log1p(-q), tail)


@functools.lru_cache
def quantile_table(alpha: float) -> np.ndarray:
    """Lines through logit Q, for `draw`.

    Row by row, [intercept, slope] of the line in f = 2^33 u between one knot and the next. There
    are 64 cells to an octave of u, from u = 2^-34 to 1/2; the last row is u = 1/2 itself.

    The distribution function of what `draw` makes of it is within 8e-6 of that of
    Beta(alpha, alpha) for alpha <= 1e4, and within 3.6e-5 of it in proportion for alpha <= 100:
    u / (8 * 64^2), the error of a chord of log u over a cell, is at most 7.6e-6. Measured where
    float32 holds lam, at 166,000 u, nearly all off the knots:

        alpha        1e-6     0.001    0.01     0.2      1        8        100      1e4      1e6
        largest      1.6e-7   4.2e-6   7.6e-6   7.3e-6   5.0e-6   4.2e-6   4.3e-6   7.3e-6   4.2e-5

    For small alpha the middle of the law is a few cells: 0.1 < lam < 0.9 has 0.22 % of the mass for
    alpha = 0.001, right to 0.25 % of itself, and the law of lam given that is right to 2e-4. (For
    alpha = 0.01: 0.03 % and 2e-4; below 1e-5 float32 leaves a few hundred values or fewer there,
    once in 50,000 draws.)

    Large alpha adds the rounding of lam itself to float32, up to 1.2e-7 times the density.
    `pytest tests/test_beta.py` checks these, but for alpha < 0.001 in the middle.

    Args:
        alpha: concentration, > 0; smaller than 1e-6 counts as 1e-6.

    Returns:
        float32 of shape `[2113, 2]`, read-only: one array for every call with the same alpha.
    """
    alpha = max(alpha, SMALLEST_ALPHA)
    within = min(alpha, _LARGEST_ALPHA)
    row = np.arange((_OCTAVES << _KNOT_BITS) + 1)
    octave, part = np.divmod(row, 1 << _KNOT_BITS)
    f = np.ldexp(1 + part / (1 << _KNOT_BITS), octave - 1)
    logit = logit_quantile(within, f / 2**33) * math.sqrt(within / alpha)
    slope = np.append(np.diff(logit) / np.diff(f), 0.0)
    table = np.stack([logit - slope * f, slope], axis=-1).astype(np.float32)
    table.flags.writeable = False
    return table


def draw(bits: tf.Tensor, table: np.ndarray) -> tf.Tensor:
    """lam ~ Beta(alpha, alpha), a function of 64 random bits each.

        f = bits[..., 0] + 1/2,  u = 2^-33 f,  e = exp(logit Q(u))

        lam = e / (1 + e)  or  1 / (1 + e),  as the top bit of bits[..., 1] says

    so that lam and 1 - lam have the same law, and neither is the difference of two close numbers.
    The smallest u is 2^-34. Near u = 1/2 float32 holds every 2^-25-th u.

    Args:
        bits: uint32 of shape `[..., 2]`, uniform.
        table: `quantile_table(alpha)`.

    Returns:
        float32 of shape `[...]`, in [0, 1].
    """
    word, side = tf.unstack(bits, axis=-1)
    f = tf.cast(word, tf.float32) + 0.5
    # The exponent and the first bits of the fraction count the knots: no logarithm, no rounding,
    # and f = 2^32, to which the largest words round, has a row of its own.
    row = tf.bitwise.right_shift(tf.bitcast(f, tf.int32), _SHIFT) - _FIRST_ROW
    intercept, slope = tf.unstack(tf.gather(table, row), axis=-1)
    e = tf.exp(intercept + slope * f)
    return tf.where(side < 2**31, e, 1.0) / (1.0 + e)


def sample(alpha: tf.Tensor, shape: Sequence[Any], seed: tf.Tensor) -> tf.Tensor:
    """lam for an alpha that is known only when a pipeline runs, by the sampler of `tfp`."""
    positive = tf.maximum(alpha, SMALLEST_ALPHA)
    return distributions().Beta(positive, positive).sample(shape, seed=seed)
