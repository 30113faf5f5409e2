"""CutMix and its relatives, which copy parts: one composition each, and no maths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_mixup.blend import Bands, Box, BoxRange, Fourier, Resized
from keras_mixup.coefficient import Beta, Constant, Scale
from keras_mixup.mix import Mix
from keras_mixup.pairing import Pairing
from keras_mixup.recipes import with_options
from keras_mixup.schedule import Schedule


def cutmix(
    alpha: float | Schedule = 1.0,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str = "channels_last",
) -> Mix:
    """CutMix: a box of one image is pasted into another; labels get the shares of the pixels.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (pixels of M) / (H W)

    M is a box of sides (H, W) sqrt(1 - lam), lam ~ Beta(alpha, alpha), with a centre uniform in the
    image, clipped at the border. s is counted after rounding and clipping, so the label is exactly
    the share of pixels.

    Differs from the paper: lam and box are drawn per example (`per_batch` shares lam, not the
    centre), and no example is its own partner. With `probability` 1 every example gets a box; the
    paper used 0.5 on CIFAR.

    Args:
        alpha: concentration of the Beta, >= 0; 0 is off. Default 1, as in the paper.
        num_classes, seed, per_batch, probability, pairing, keep: as in `mixup`.
        dtype: what uint8 images are returned in; None keeps uint8.
        data_format: "channels_last" for images `[B, H, W, C]` and videos `[B, T, H, W, C]`;
            "channels_first" for `[B, C, H, W]`, `[B, C, T, H, W]` and `[B, T, C, H, W]`. A video
            has the same box in every frame.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        ValueError: as `mixup`, and for inputs that are neither images nor videos.

    Example:
        >>> train = ds.batch(128).apply(cutmix(num_classes=10, seed=0))

    References:
        Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """
    return Mix(
        coefficient=with_options(Beta(alpha), probability, per_batch),
        blend=Box(dtype, data_format),
        pairing=pairing,
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def cutmix_minmax(
    low: float = 0.2,
    high: float = 0.8,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str = "channels_last",
) -> Mix:
    """CutMix with bounds on the box: never a sliver, never nearly the whole image.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (pixels of M) / (H W)

    The sides of the box M are independent, uniform on the whole numbers of pixels from low to high
    times the image's; its place is uniform among those wholly inside the image.

    Args:
        low, high: bounds on the sides, as fractions of the image's, 0 <= low <= high <= 1. timm has
            no defaults and calls 0.2 to 0.3 and 0.8 to 0.9 typical.
        num_classes, seed, probability, pairing, keep: as in `mixup`.
        dtype, data_format: as in `cutmix`.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        ValueError: as `cutmix`, and for bounds out of order.

    Example:
        >>> train = ds.batch(128).apply(cutmix_minmax(0.3, 0.7, num_classes=10, seed=0))

    References:
        timm's `cutmix_minmax`; CutMix: Yun et al., 2019, arXiv:1905.04899.
    """
    return Mix(
        coefficient=with_options(Constant(0.0), probability),
        blend=BoxRange(low, high, dtype, data_format),
        pairing=pairing,
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def resizemix(
    low: float = 0.1,
    high: float = 0.8,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str = "channels_last",
) -> Mix:
    """ResizeMix: the whole partner, made small, is pasted into the image.

        x~ = (1 - M) x_i + M resize(x_j)
        y~ = s y_i + (1 - s) y_j,    s = 1 - (pixels of M) / (H W)

    M is a box of sides (H, W) tau, tau ~ U(low, high), rounded to whole pixels, at a place uniform
    among those wholly inside the image.

    Differs from the paper: no example is its own partner.

    Args:
        low, high: bounds on the scale tau, 0 <= low <= high <= 1. Defaults 0.1 and 0.8, as in the
            paper.
        num_classes, seed, probability, pairing, keep: as in `mixup`.
        per_batch: one tau for the whole batch; the place differs from example to example.
        dtype, data_format: as in `cutmix`; uint8 is rounded to nearest.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        ValueError: as `cutmix`, and for bounds out of order.

    Example:
        >>> train = ds.batch(128).apply(resizemix(num_classes=10, seed=0))

    References:
        Qin, Fang, Zhang, Liu, Wang, Wang, 2020, arXiv:2012.11101.
    """
    return Mix(
        coefficient=with_options(Scale(low, high), probability, per_batch),
        blend=Resized(dtype, data_format),
        pairing=pairing,
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def fmix(
    alpha: float | Schedule = 1.0,
    decay: float = 3.0,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    per_batch: bool = False,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
    data_format: str = "channels_last",
) -> Mix:
    """FMix: a mask of random shapes, cut from low-frequency noise.

        x~ = M x_i + (1 - M) x_j
        y~ = s y_i + (1 - s) y_j,    s = (pixels of M) / (H W)

    M holds the round(lam H W) highest pixels of a landscape Re(ifft2(z a)), with complex Gaussian z
    and a = max(f, 1 / max(H, W))^-decay, f the radius of the frequency; lam ~ Beta(alpha, alpha).

    Differs from the paper: lam and mask are drawn per example (`per_batch` shares lam, not the
    mask), and no example is its own partner.

    Args:
        alpha: concentration of the Beta, >= 0; 0 is off. Default 1, as in the paper.
        decay: how fast high frequencies fall off, >= 0: more is smoother. Default 3, as in the
            paper.
        num_classes, seed, per_batch, probability, pairing, keep: as in `mixup`.
        dtype, data_format: as in `cutmix`.

    Returns:
        A `Mix`, used as in `mixup`.

    Raises:
        ValueError: as `cutmix`.

    Example:
        >>> train = ds.batch(128).apply(fmix(num_classes=10, seed=0))

    References:
        Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare, 2020, arXiv:2002.12047.
    """
    return Mix(
        coefficient=with_options(Beta(alpha), probability, per_batch),
        blend=Fourier(decay, dtype, data_format),
        pairing=pairing,
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def specmix(
    ratio: float = 0.3,
    *,
    num_classes: Any = None,
    seed: int | None = None,
    probability: float | Schedule = 1.0,
    pairing: Pairing | None = None,
    keep: Sequence[str] = (),
    dtype: Any = None,
) -> Mix:
    """SpecMix: bands of time and of frequency of another spectrogram.

        x~ = (1 - M) x_i + M x_j
        y~ = s y_i + (1 - s) y_j,    s = 1 - (cells of M) / (T F)

    M is the union of 0, 1 or 2 bands of times and 0, 1 or 2 bands of frequencies, each number
    equally likely, each band round(ratio T) or round(ratio F) wide, at a uniform place. One example
    in nine has no band.

    Args:
        ratio: width of a band as a part of its axis, in [0, 1]. Default 0.3, as in the authors'
            code; they took 0.7 for acoustic scenes.
        num_classes, seed, probability, pairing, keep: as in `mixup`.
        dtype: what uint8 inputs are returned in; None keeps uint8.

    Returns:
        A `Mix`, used as in `mixup`, for spectrograms `[B, T, F]` or `[B, T, F, C]`: axis 1 is time,
        axis 2 frequency.

    Raises:
        ValueError: as `mixup`, and for inputs of another rank.

    Example:
        >>> train = ds.batch(128).apply(specmix(num_classes=10, seed=0))

    References:
        Kim, Han, Ko, 2021, arXiv:2108.03020.
    """
    return Mix(
        coefficient=with_options(Constant(0.0), probability),
        blend=Bands(ratio, dtype),
        pairing=pairing,
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )
