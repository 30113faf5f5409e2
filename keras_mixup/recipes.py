"""The methods. Each method is a composition of parts, and the math is in the parts.

Everything that lists the methods (the names in the package, the API reference, the README, the
gallery and the benchmark) takes them from `__all__`, in that order.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._arguments import P, R
from keras_mixup._engine.clean import WithClean
from keras_mixup._engine.mix import Mix
from keras_mixup._types import AnyLabel, AnyPairing, NumClasses
from keras_mixup.blend import Bands, Blend, Box, BoxRange, Fourier, Linear, Resized, Segment
from keras_mixup.coefficient import Beta, Coefficient, Constant, PerBatch, Scale, Sometimes
from keras_mixup.label import Remix
from keras_mixup.pairing import Closeness
from keras_mixup.schedule import Schedule, probability_or_schedule

__all__ = [  # noqa: RUF022
    "mixup",
    "cutmix",
    "cutmix_minmax",
    "cutmix_1d",
    "resizemix",
    "fmix",
    "specmix",
    "regmixup",
    "remix",
    "cmixup",
    "manifold_mixup",
]


def _recipe(make: Callable[P, R]) -> Callable[P, R]:
    """`make`, with clear errors for `ds.map(mixup)`, without a call, and for `mixup(0.2, 10)`."""
    spec = inspect.getfullargspec(make)

    @_arguments.entry
    @functools.wraps(make)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if any(isinstance(leaf, (tf.Tensor, tf.data.Dataset)) for leaf in tf.nest.flatten(args)):
            name = make.__name__
            _arguments.fail(
                TypeError,
                f"`{name}` makes a mix; it is not a mix itself.",
                f"Call it first: ds.apply({name}(...)) or ds.map({name}(...)).",
                arguments=[type(argument).__name__ for argument in args],
            )
        if len(args) > len(spec.args):
            rule = f"`{make.__name__}` takes only `{'` and `'.join(spec.args)}` by position."
            todo = f"Name the others, as in {spec.kwonlyargs[0]}={args[len(spec.args)]!r}."
            _arguments.fail(TypeError, rule, todo, arguments=args)
        return make(*args, **kwargs)

    return checked


def _lam_of(coefficient: Coefficient, probability: Any, per_batch: Any = False) -> Coefficient:
    """Apply the two options that all recipes share to `coefficient`."""
    probability = probability_or_schedule("probability", probability)
    if callable(probability) or probability < 1:
        coefficient = Sometimes(coefficient, probability)
    return PerBatch(coefficient) if _arguments.flag("per_batch", per_batch) else coefficient


def _mix(
    coefficient: Coefficient,
    blend: Blend,
    pairing: AnyPairing,
    label: AnyLabel,
    num_classes: NumClasses,
    keep: Sequence[str],
    data_format: str | None,
    seed: int | None,
) -> Mix:
    """The composition of four parts, for data that is described as in `mixup`."""
    return Mix(
        coefficient=coefficient,
        blend=blend,
        pairing=pairing,
        label=label,
        num_classes=num_classes,
        keep=keep,
        data_format=data_format,
        seed=seed,
    )


@_recipe
def mixup(
    alpha: float | Schedule = 0.2,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
) -> Mix:
    """mixup: convex combinations of pairs of examples and of their labels.

        x~ = lam x_i + (1 - lam) x_j
        y~ = lam y_i + (1 - lam) y_j,    lam ~ Beta(alpha, alpha)

    Differences from the paper: lam is drawn per example unless `per_batch` is set, and no example
    is its own partner.

    Args:
        alpha: concentration of the Beta distribution, >= 0, or a schedule of it; 0 disables mixing.
            Default 0.2, as in Keras and in the paper's ImageNet runs. The paper used 1 for CIFAR
            and 8 to 32 for corrupted labels.
        num_classes: number of classes if labels are integer ids; with several outputs, a structure
            like that of y. None for float labels.
        seed: an integer for reproducible draws, or None for fresh draws.
        per_batch: whether one lam is drawn for the whole batch, as in the paper's code.
        probability: probability that an example (with `per_batch`, a batch) is mixed, in [0, 1], or
            a schedule of it.
        pairing: how partners are chosen within a batch, as a part from `keras_mixup.pairing` or a
            function. None means `pairing.Rotation()`, or in datasets of pairs, the pairs.
        label: how two labels become one, as a part from `keras_mixup.label` or a function. None
            means `label.Linear()`, the equation above.
        keep: names of entries of x or y that are left unchanged, such as ids and file names.
        dtype: dtype in which uint8, uint16 and int16 inputs are returned. None keeps theirs: the
            mixture is rounded to the nearest integer, by at most half a level. "float32" does not
            round. Floats keep their dtype, and labels are never rounded.
        data_format: "channels_last" or "channels_first", for masks and boxes. None means
            `keras.config.image_data_format()`.

    Returns:
        A `Mix`, for `ds.batch(n).apply(mix)` or `ds.batch(n).map(mix)`. With a seed, `apply` gives
        bit-identical batches regardless of parallelism, and every epoch differs, while `map` always
        mixes the same batch in the same way, in any order. The iterators of both can be saved and
        restored; that of `map` only with a seed.

    Raises:
        TypeError, ValueError: if an argument is outside its allowed values, or, when the dataset is
            built, if an element cannot be mixed. The message states the rule that is violated.

    Example:
        >>> train = ds.shuffle(50_000).batch(128).apply(mixup(0.2, num_classes=10, seed=0))
        >>> train.element_spec[1].shape
        TensorShape([None, 10])

        A plan made by hand, with 3/4 of the first example and 1/4 of the second:

        >>> plan = Plan(partner=[1, 0], lam=[0.75, 0.75])
        >>> x, y = mixup(num_classes=2).apply_plan((np.float32([[0], [8]]), np.arange(2)), plan)
        >>> x[0].numpy().tolist(), y[0].numpy().tolist()
        ([2.0], [0.75, 0.25])

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    return _mix(lam, Linear(dtype), pairing, label, num_classes, keep, data_format, seed)


@_recipe
def regmixup(
    alpha: float | Schedule = 20.0,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
) -> Mix:
    """RegMixup: the clean batch and its mixup twin in one batch, so that B rows become 2 B.

        loss = 1/2 loss(x, y) + 1/2 loss(x~, y~),    x~, y~ from mixup

    The mean over the batch equals the paper's sum with eta = 1, up to the factor 1/2.

    Args:
        alpha: concentration of the Beta distribution. Default 20, the paper's value for CIFAR-10;
            it used 10 for CIFAR-100.
        num_classes, seed, per_batch, probability, pairing, label, keep, dtype, data_format: as in
            `mixup`.

    Returns:
        A `Mix`, used as in `mixup`. For other methods, use `WithClean(cutmix(...))`.

    Raises:
        TypeError, ValueError: as in `mixup`.

    Example:
        >>> train = ds.batch(4).apply(regmixup(num_classes=10, seed=0))
        >>> [len(y) for _, y in train]
        [8, 8]

    References:
        Pinto, Yang, Lim, Torr, Dokania, 2022, arXiv:2206.14502.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    mix = _mix(lam, Linear(dtype), pairing, label, num_classes, keep, data_format, seed)
    return WithClean(mix)


@_recipe
def manifold_mixup(
    alpha: float | Schedule = 2.0,
    *,
    layers: Sequence[str],
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = True,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    data_format: str | None = None,
) -> Mix:
    """Manifold Mixup: mixup applied to the outputs of a layer inside the model.

        h_k~ = lam h_k(x_i) + (1 - lam) h_k(x_j)
        y~   = lam y_i + (1 - lam) y_j,    lam ~ Beta(alpha, alpha)

    h_k(x) is the output of layer k, and k is drawn uniformly from `layers` for each batch. The
    layers after it continue with h_k~. Gradients flow through the layers before it. Everything
    happens in the training step of the model that `wrap` returns.

    Difference from the paper: no example is its own partner.

    Args:
        alpha: concentration of the Beta distribution, >= 0; 0 disables mixing. Default 2, the
            paper's value for CIFAR and SVHN; it used 0.2 for Tiny-ImageNet, where 2 was harmful.
        layers: names of the layers that may be mixed at their outputs, and "input" for the inputs.
            A layer of a nested model is given by its path, such as "backbone/conv4". In a model of
            your own class, these are the names of `MixPoint` objects. In the paper, the input and
            the first stages worked best. Use the outputs of residual blocks, not layers inside
            them.
        num_classes, seed, probability, pairing, label, keep, data_format: as in `mixup`.
        per_batch: whether one lam is drawn for the whole batch, as in the paper; False draws one
            per example.

    Returns:
        A `Mix`, for `mix.wrap(model)`.

    Raises:
        TypeError, ValueError: as in `mixup` and in `Mix.wrap`. Inputs that cannot be mixed, such as
            token ids, are refused if "input" is among the layers.

    Example:
        >>> import keras
        >>> manifold = manifold_mixup(layers=("input", "hidden"), num_classes=10, seed=0)
        >>> hidden = keras.layers.Dense(8, "relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(10)])
        >>> mixed = manifold.wrap(model)  # to be compiled and trained as ever

    References:
        Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio, 2019, arXiv:1806.05236.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    mix = _mix(lam, Linear(), pairing, label, num_classes, keep, data_format, seed)
    return dataclasses.replace(mix, layers=layers)


@_recipe
def remix(
    class_counts: Sequence[float],
    alpha: float | Schedule = 1.0,
    *,
    kappa: float = 3.0,
    tau: float = 0.5,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
) -> Mix:
    """Remix: mixup for imbalanced classes, with labels that favor the minority class.

        x~ = lam x_i + (1 - lam) x_j
        y~ = s y_i + (1 - s) y_j,    s = 0, 1 or lam; see `label.Remix`

    Args:
        class_counts: number of training examples of each class, in the order of the classes, > 0.
        alpha: concentration of the Beta distribution, >= 0. Default 1, as in the paper.
        kappa: ratio of class sizes from which the smaller class counts as the minority, >= 1.
            Default 3, as in the paper.
        tau: the majority class gives up its share if the share is below tau, in [0, 1]. Default
            0.5, as in the paper.
        num_classes, seed, per_batch, probability, pairing, keep, dtype, data_format: as in `mixup`.

    Returns:
        A `Mix`, used as in `mixup`. y must be a single output of class labels.

    Raises:
        TypeError, ValueError: as in `mixup`; also if a count is not positive, or if there is not
            exactly one count per class.

    Example:
        >>> train = ds.batch(128).apply(remix([500, 100] + [20] * 8, num_classes=10, seed=0))

        A mixture of 1/4 of class 0, which is frequent, and 3/4 of class 1, which is rare:

        >>> plan = Plan(partner=[1, 0], lam=[0.25, 0.25])
        >>> x, y = np.float32([[0], [8]]), np.arange(2)
        >>> x, y = remix([900, 100], num_classes=2).apply_plan((x, y), plan)
        >>> x[0].numpy().tolist(), y[0].numpy().tolist()
        ([6.0], [0.0, 1.0])

    References:
        Chou, Chang, Pan, Wei, Juan, 2020, arXiv:2007.03943.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    label = Remix(class_counts, kappa, tau)
    return _mix(lam, Linear(dtype), pairing, label, num_classes, keep, data_format, seed)


@_recipe
def cmixup(
    alpha: float | Schedule = 2.0,
    *,
    bandwidth: float,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
) -> Mix:
    """C-Mixup: mixup for regression, in which partners with close targets are more likely.

        P(j | i) proportional to exp(-||y_i - y_j||^2 / (2 bandwidth^2)),    j != i

    Args:
        alpha: concentration of the Beta distribution, >= 0. Default 2, the paper's value for most
            datasets.
        bandwidth: bandwidth of the kernel, > 0, in the units of y. The paper used 0.05 to 20,
            depending on the dataset.
        seed, per_batch, probability, label, keep, dtype, data_format: as in `mixup`.

    Returns:
        A `Mix`, used as in `mixup`, for batches with one float output. Pairs are not supported.

    Raises:
        TypeError, ValueError: as in `mixup`; also if the targets are ids, or if there are several
            outputs.

    Example:
        >>> targets = ds.map(lambda x, y: (x, tf.cast(y, tf.float32)))
        >>> train = targets.batch(128).apply(cmixup(bandwidth=1.5, seed=0))

        Partners have close targets:

        >>> y = np.float32([0, 10, 0.1, 10.1])
        >>> cmixup(bandwidth=0.1).draw_plan((y, y), seed=(1, 2)).partner.numpy()
        array([2, 3, 0, 1], dtype=int32)

    References:
        Yao, Wang, Zhang, Zou, Finn, 2022, arXiv:2210.05775.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    pairing = Closeness(bandwidth)
    return _mix(lam, Linear(dtype), pairing, label, None, keep, data_format, seed)


@_recipe
def cutmix(
    alpha: float | Schedule = 1.0,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
    bounding_box_format: str | None = None,
) -> Mix:
    """CutMix: pastes a box from one image into another and weights labels by the share of pixels.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (pixels of M) / (H W)

    M is a box with sides (H, W) sqrt(1 - lam), where lam ~ Beta(alpha, alpha). Its center is
    uniform in the image, and the box is clipped at the border. s is counted after rounding and
    clipping, so that the label is exactly the share of the pixels.

    Differences from the paper: lam and the box are drawn per example (`per_batch` shares lam but
    not the center), and no example is its own partner. With `probability` 1, every example gets a
    box; the paper used 0.5 on CIFAR.

    Args:
        alpha: concentration of the Beta distribution, >= 0; 0 disables mixing. Default 1, as in the
            paper.
        num_classes, seed, per_batch, probability, pairing, label, keep: as in `mixup`.
        dtype: dtype in which integer images are returned; None keeps theirs.
        data_format: "channels_last" for images `[B, H, W, C]` and videos `[B, T, H, W, C]`;
            "channels_first" for `[B, C, H, W]`, `[B, C, T, H, W]` and `[B, T, C, H, W]`. None
            means `keras.config.image_data_format()`; images that look like the other format are
            refused. A video has the same box in every frame.
        bounding_box_format: format of the bounding boxes in y, which are cut. One of Keras's
            formats, such as "xyxy", "rel_xyxy" or "xywh".

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        TypeError, ValueError: as in `mixup`; also if inputs are neither images nor videos.

    Example:
        >>> train = ds.batch(128).apply(cutmix(num_classes=10, seed=0))

        A plan made by hand: 1/4 of image 1 in the upper left corner of image 0:

        >>> x = np.float32([np.zeros((2, 2, 1)), np.ones((2, 2, 1))])
        >>> plan = Plan([1, 0], [0.75, 0.75], np.zeros((2, 8), int))
        >>> x, y = cutmix(num_classes=2).apply_plan((x, np.arange(2)), plan)
        >>> x[0, :, :, 0].numpy().tolist(), y[0].numpy().tolist()
        ([[1.0, 0.0], [0.0, 0.0]], [0.75, 0.25])

    References:
        Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    mix = _mix(lam, Box(dtype), pairing, label, num_classes, keep, data_format, seed)
    return dataclasses.replace(mix, bounding_box_format=bounding_box_format)


@_recipe
def cutmix_minmax(
    low: float = 0.2,
    high: float = 0.8,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
    bounding_box_format: str | None = None,
) -> Mix:
    """CutMix with bounds on the sides of the box, which keep it from being a sliver or too large.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (pixels of M) / (H W)

    The sides of the box M are independent. Each is uniform on the whole numbers of pixels from low
    to high times the image's side. The place of the box is uniform among all places wholly inside
    the image.

    Args:
        low, high: bounds on the sides, as fractions of the image's sides, 0 <= low <= high <= 1.
            timm has no defaults, and calls 0.2 to 0.3 and 0.8 to 0.9 typical.
        num_classes, seed, probability, pairing, label, keep: as in `mixup`.
        dtype, data_format, bounding_box_format: as in `cutmix`.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        TypeError, ValueError: as in `cutmix`; also if low is larger than high.

    Example:
        >>> train = ds.batch(128).apply(cutmix_minmax(0.3, 0.7, num_classes=10, seed=0))

        The box has half the height and half the width:

        >>> x = np.float32([np.zeros((4, 4, 1)), np.ones((4, 4, 1))])
        >>> plan = Plan(partner=[1, 0], lam=[0.75, 0.75], seed=np.zeros((2, 8), int))
        >>> x, y = cutmix_minmax(0.5, 0.5, num_classes=2).apply_plan((x, np.arange(2)), plan)
        >>> x[0, :, :, 0].numpy().astype(int)
        array([[1, 1, 0, 0],
               [1, 1, 0, 0],
               [0, 0, 0, 0],
               [0, 0, 0, 0]])
        >>> y[0].numpy().tolist()
        [0.75, 0.25]

    References:
        timm's `cutmix_minmax`; CutMix: Yun et al., 2019, arXiv:1905.04899.
    """
    lam = _lam_of(Constant(0.0), probability)
    mix = _mix(
        lam, BoxRange(low, high, dtype), pairing, label, num_classes, keep, data_format, seed
    )
    return dataclasses.replace(mix, bounding_box_format=bounding_box_format)


@_recipe
def cutmix_1d(
    alpha: float | Schedule = 1.0,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> Mix:
    """CutMix along time: pastes a segment of one sequence into another at the same steps.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (steps of M) / T

    M is a segment of (1 - lam) T steps, where lam ~ Beta(alpha, alpha). Its center is uniform on
    the axis, and the segment is clipped at the ends, as a box of CutMix is at the border. s is
    counted after rounding and clipping, so that the label is exactly the share of the steps.
    Ids, soft labels and weights per step are cut with the input.

    The sides of a box are sqrt(1 - lam), which makes its area 1 - lam. A segment has only one side,
    so its length is 1 - lam; with the square root, lam = 3/4 would copy half of the sequence.

    lam and the segment are drawn per example (`per_batch` shares lam but not the center), and no
    example is its own partner.

    Args:
        alpha: concentration of the Beta distribution, >= 0; 0 disables mixing. Default 1, as in
            CutMix.
        num_classes, seed, per_batch, probability, pairing, label, keep: as in `mixup`.
        dtype: dtype in which integer inputs are returned; None keeps theirs, such as int16 for PCM
            audio.

    Returns:
        A `Mix`, used as in `mixup`, for sequences `[B, T]`, `[B, T, F]` or `[B, T, F, C]`, such as
        waveforms, sensors and spectrograms, where axis 1 is time.

    Raises:
        TypeError, ValueError: as in `mixup`; also if an input has a different rank, if inputs
            differ in T, or if it is not clear whether a label is per step or per example.

    Example:
        >>> train = ds.batch(128).apply(cutmix_1d(num_classes=10, seed=0))

        A plan made by hand: half of sequence 1 in the middle of sequence 0, and labels per step:

        >>> x, steps = np.float32([np.zeros(4), np.ones(4)]), np.int32([[0] * 4, [1] * 4])
        >>> plan = Plan(partner=[1, 0], lam=[0.5, 0.5], seed=np.full((2, 8), -(2**31)))
        >>> x, y = cutmix_1d(num_classes=2).apply_plan((x, (np.arange(2), steps)), plan)
        >>> x[0].numpy().tolist(), y[0][0].numpy().tolist()
        ([0.0, 1.0, 1.0, 0.0], [0.5, 0.5])
        >>> y[1][0].numpy().argmax(axis=-1).tolist()
        [0, 1, 1, 0]

    References:
        CutMix: Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    return _mix(lam, Segment(dtype), pairing, label, num_classes, keep, None, seed)


@_recipe
def resizemix(
    low: float = 0.1,
    high: float = 0.8,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
) -> Mix:
    """ResizeMix: the whole partner is scaled down and pasted into the original.

        x~ = (1 - M) x_i + M resize(x_j)
        y~ = s y_i + (1 - s) y_j,    s = 1 - (pixels of M) / (H W)

    M is a box with sides (H, W) tau, where tau ~ U(low, high), rounded to whole pixels. Its place
    is uniform among all places wholly inside the image.

    Difference from the paper: no example is its own partner.

    Args:
        low, high: bounds on the scale tau, 0 <= low <= high <= 1. Defaults 0.1 and 0.8, as in the
            paper.
        num_classes, seed, probability, pairing, label, keep: as in `mixup`.
        per_batch: whether one tau is drawn for the whole batch; the places of the boxes differ.
        dtype: as in `cutmix`; integers are rounded to nearest.
        data_format: as in `cutmix`.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        TypeError, ValueError: as in `cutmix`; also if low is larger than high, or if y contains
            bounding boxes.

    Example:
        >>> train = ds.batch(128).apply(resizemix(num_classes=10, seed=0))

        A quarter of the pixels shows the whole partner:

        >>> x = np.float32([np.zeros((4, 4, 1)), np.ones((4, 4, 1))])
        >>> plan = Plan(partner=[1, 0], lam=[0.75, 0.75], seed=np.zeros((2, 8), int))
        >>> x, y = resizemix(num_classes=2).apply_plan((x, np.arange(2)), plan)
        >>> x[0, :, :, 0].numpy().astype(int)
        array([[1, 1, 0, 0],
               [1, 1, 0, 0],
               [0, 0, 0, 0],
               [0, 0, 0, 0]])
        >>> y[0].numpy().tolist()
        [0.75, 0.25]

    References:
        Qin, Fang, Zhang, Liu, Wang, Wang, 2020, arXiv:2012.11101.
    """
    lam = _lam_of(Scale(low, high), probability, per_batch)
    return _mix(lam, Resized(dtype), pairing, label, num_classes, keep, data_format, seed)


@_recipe
def fmix(
    alpha: float | Schedule = 1.0,
    decay: float = 3.0,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str | None = None,
) -> Mix:
    """FMix: a mask of random shapes, made by thresholding low-frequency noise.

        x~ = M x_i + (1 - M) x_j
        y~ = s y_i + (1 - s) y_j,    s = (pixels of M) / (H W)

    M selects the round(lam H W) highest pixels of a random landscape Re(ifft2(z a)). Here z is
    complex Gaussian noise, a = max(f, 1 / max(H, W))^-decay, f is the radius of the frequency, and
    lam ~ Beta(alpha, alpha).

    Differences from the paper: lam and the mask are drawn per example (`per_batch` shares lam but
    not the mask), and no example is its own partner.

    Args:
        alpha: concentration of the Beta distribution, >= 0; 0 disables mixing. Default 1, as in the
            paper.
        decay: how fast high frequencies fall off, >= 0; larger values give smoother shapes. Default
            3, as in the paper.
        num_classes, seed, per_batch, probability, pairing, label, keep: as in `mixup`.
        dtype, data_format: as in `cutmix`.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        TypeError, ValueError: as in `cutmix`; also if y contains bounding boxes.

    Example:
        >>> train = ds.batch(128).apply(fmix(num_classes=10, seed=0))

        A quarter of the 16 pixels comes from the partner:

        >>> x = np.float32([np.zeros((4, 4, 1)), np.ones((4, 4, 1))])
        >>> plan = Plan(partner=[1, 0], lam=[0.75, 0.75], seed=np.zeros((2, 8), int))
        >>> x, y = fmix(num_classes=2).apply_plan((x, np.arange(2)), plan)
        >>> int(np.sum(x[0])), y[0].numpy().tolist()
        (4, [0.75, 0.25])

    References:
        Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare, 2020, arXiv:2002.12047.
    """
    lam = _lam_of(Beta(alpha), probability, per_batch)
    return _mix(lam, Fourier(decay, dtype), pairing, label, num_classes, keep, data_format, seed)


@_recipe
def specmix(
    ratio: float = 0.3,
    *,
    num_classes: NumClasses = None,
    seed: int | None = None,
    probability: float | Schedule = 1.0,
    pairing: AnyPairing = None,
    label: AnyLabel = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> Mix:
    """SpecMix: bands of time and of frequency are replaced with those of another spectrogram.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (cells of M) / (T F)

    M is the union of 0, 1 or 2 bands of time and 0, 1 or 2 bands of frequency, with each number
    equally likely. Each band is round(ratio T) or round(ratio F) wide, and its place is uniform.
    One example in nine has no band.

    Args:
        ratio: width of a band as a fraction of its axis, in [0, 1]. Default 0.3, as in the authors'
            code; they used 0.7 for acoustic scenes.
        num_classes, seed, probability, pairing, label, keep: as in `mixup`.
        dtype: dtype in which integer inputs are returned; None keeps theirs.

    Returns:
        A `Mix`, used as in `mixup`, for spectrograms `[B, T, F]` or `[B, T, F, C]`, where axis 1 is
        time and axis 2 is frequency.

    Raises:
        TypeError, ValueError: as in `mixup`; also if an input has a different rank.

    Example:
        >>> train = ds.batch(128).apply(specmix(num_classes=10, seed=0))

        Half of the times and half of the frequencies come from the partner:

        >>> x = np.float32([np.zeros((4, 4)), np.ones((4, 4))])
        >>> plan = Plan(partner=[1, 0], lam=[0, 0], seed=np.full((2, 8), -1))
        >>> x, y = specmix(0.5, num_classes=2).apply_plan((x, np.arange(2)), plan)
        >>> x[0].numpy().astype(int)
        array([[0, 0, 1, 1],
               [0, 0, 1, 1],
               [1, 1, 1, 1],
               [1, 1, 1, 1]])
        >>> y[0].numpy().tolist()
        [0.25, 0.75]

    References:
        Kim, Han, Ko, 2021, arXiv:2108.03020.
    """
    lam = _lam_of(Constant(0.0), probability)
    return _mix(lam, Bands(ratio, dtype), pairing, label, num_classes, keep, None, seed)
