"""mixup and its relatives: one composition of parts each, and no maths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_mixup import _arguments
from keras_mixup.blend import Linear
from keras_mixup.coefficient import Beta, Coefficient, PerBatch, Sometimes
from keras_mixup.label_share import Remix
from keras_mixup.mix import Mix
from keras_mixup.pairing import Closeness, Pairing
from keras_mixup.schedule import Schedule
from keras_mixup.with_clean import WithClean


def mixup(
    alpha: float | Schedule = 0.2,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> Mix:
    """mixup: convex combinations of pairs of examples and of their labels.

        x~ = lam x_i + (1 - lam) x_j
        y~ = lam y_i + (1 - lam) y_j,    lam ~ Beta(alpha, alpha)

    Differs from the paper: lam is drawn per example unless `per_batch`; and no example is its own
    partner.

    Args:
        alpha: concentration of the Beta, >= 0; 0 is off. Default 0.2, as in Keras and in the
            paper's ImageNet runs; the paper took 1 for CIFAR, 8 to 32 for corrupted labels.
        num_classes: number of classes when labels are integer ids; a structure like y's when there
            are several outputs. None for float labels.
        seed: an integer for reproducible draws, None for fresh ones.
        per_batch: one lam for the whole batch, as in the paper's code.
        probability: chance that an example (with `per_batch`, a batch) is mixed, in [0, 1].
        pairing: who mixes with whom inside a batch; None is a random cycle. Not for pairs.
        keep: names of inputs left as they are, such as ids and file names.
        dtype: what uint8 inputs are returned in; None is float32, "uint8" rounds to nearest.

    Returns:
        A `Mix`, for `ds.batch(n).apply(mix)` or `ds.batch(n).map(mix)`. With `apply`, one seed
        gives bit-identical batches whatever the parallelism, every epoch differs, and the iterator
        can be saved and restored. With `map` the draws follow the order in which a parallel map
        happens to run, and the iterator cannot be saved.

    Raises:
        TypeError, ValueError: an argument outside its allowed values; when the dataset is built,
            an element that breaks a rule of the README's table.

    Example:
        >>> train = ds.shuffle(50_000).batch(128).apply(mixup(0.2, num_classes=10, seed=0))
        >>> train.element_spec[1].shape
        TensorShape([None, 10])

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """
    return Mix(
        coefficient=with_options(Beta(alpha), probability, per_batch),
        blend=Linear(dtype),
        pairing=pairing,
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def regmixup(
    alpha: float | Schedule = 20.0,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> WithClean:
    """RegMixup: the clean batch and its mixup twin in one batch, B rows become 2 B.

        loss = 1/2 loss(x, y) + 1/2 loss(x~, y~),    x~, y~ from mixup

    The mean over the batch is the paper's sum with eta = 1, up to the factor 1/2.

    Args:
        alpha: concentration of the Beta. Default 20, the paper's for CIFAR-10; it took 10 for
            CIFAR-100.
        num_classes, seed, per_batch, probability, pairing, keep, dtype: as in `mixup`.

    Returns:
        A `WithClean`, used as in `mixup`; other methods: `WithClean(cutmix(...))`.

    Example:
        >>> train = ds.batch(64).apply(regmixup(num_classes=10, seed=0))  # batches of 128

    References:
        Pinto, Yang, Lim, Torr, Dokania, 2022, arXiv:2206.14502.
    """
    return WithClean(
        mixup(
            alpha,
            num_classes=num_classes,
            seed=seed,
            per_batch=per_batch,
            probability=probability,
            pairing=pairing,
            keep=keep,
            dtype=dtype,
        )
    )


def remix(
    class_counts: Sequence[float],
    alpha: float | Schedule = 1.0,
    *,
    kappa: float = 3.0,
    tau: float = 0.5,
    num_classes: Any = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> Mix:
    """Remix: mixup whose label goes to the minority class, for imbalanced data.

        x~ = lam x_i + (1 - lam) x_j
        y~ = s y_i + (1 - s) y_j,    s = 0, 1 or lam; see `label_share.Remix`

    Args:
        class_counts: training examples of every class, in the order of the classes, > 0.
        alpha: concentration of the Beta, >= 0. Default 1, as in the paper.
        kappa: ratio of counts from which a class is the minority, >= 1. Default 3, the paper's.
        tau: largest share that gives way to the minority, in [0, 1]. Default 0.5, the paper's.
        num_classes, seed, per_batch, probability, pairing, keep, dtype: as in `mixup`.

    Returns:
        A `Mix`, used as in `mixup`. y must be one output of classes.

    Raises:
        TypeError, ValueError: as `mixup`; counts that are not positive or not one for each class.

    Example:
        >>> train = ds.batch(128).apply(remix([500, 100] + [20] * 8, num_classes=10, seed=0))

    References:
        Chou, Chang, Pan, Wei, Juan, 2020, arXiv:2007.03943.
    """
    return Mix(
        coefficient=with_options(Beta(alpha), probability, per_batch),
        blend=Linear(dtype),
        pairing=pairing,
        label_share=Remix(class_counts, kappa, tau),
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def cmixup(
    alpha: float | Schedule = 2.0,
    *,
    bandwidth: float,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> Mix:
    """C-Mixup: mixup for regression, with partners drawn by the closeness of their targets.

        P(j | i) proportional to exp(-||y_i - y_j||^2 / (2 bandwidth^2)),    j != i

    Args:
        alpha: concentration of the Beta, >= 0. Default 2, the paper's for most data sets.
        bandwidth: of the kernel, > 0, in the units of y; the paper took 0.05 to 20, by data set.
        seed, per_batch, probability, keep, dtype: as in `mixup`.

    Returns:
        A `Mix`, used as in `mixup`, for batches with one float output. Not for pairs.

    Raises:
        TypeError, ValueError: as `mixup`; targets that are ids or several outputs.

    Example:
        >>> targets = ds.map(lambda x, y: (x, tf.cast(y, tf.float32)))
        >>> train = targets.batch(128).apply(cmixup(bandwidth=1.5, seed=0))

    References:
        Yao, Wang, Zhang, Zou, Finn, 2022, arXiv:2210.05775.
    """
    return Mix(
        coefficient=with_options(Beta(alpha), probability, per_batch),
        blend=Linear(dtype),
        pairing=Closeness(bandwidth),
        keep=keep,
        seed=seed,
    )


def with_options(lam: Coefficient, probability: Any, per_batch: bool = False) -> Coefficient:
    """`lam`, with the two options that the recipes share."""
    if callable(probability) or _arguments.real("probability", probability, high=1) < 1:
        lam = Sometimes(lam, probability)
    return PerBatch(lam) if _arguments.flag("per_batch", per_batch) else lam
