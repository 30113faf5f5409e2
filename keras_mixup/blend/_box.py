"""`Box` and `BoxRange`: a rectangle of the partner, in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable
from keras_mixup.blend._bits import fraction, index
from keras_mixup.blend._dtype import as_dtype, pixel_dtype
from keras_mixup.blend._images import (
    Rectangle,
    check_data_format,
    common_size,
    kept_share,
    paste,
    place_inside,
)


@dataclass(frozen=True)
class Box(Configurable):
    """x~ = x outside a box, x_partner inside it: CutMix.

    The box has sides (H, W) sqrt(1 - lam), rounded to whole pixels, a centre uniform in the image,
    and is clipped at the border. The share of the original is 1 - (pixels copied) / (H W), counted
    after rounding and clipping. A video has the same box in every frame.

    Args:
        dtype: what uint8 images are returned in; None keeps uint8.
        data_format: "channels_last" for `[B, H, W, C]` and `[B, T, H, W, C]`, "channels_first" for
            `[B, C, H, W]`, `[B, C, T, H, W]` and `[B, T, C, H, W]`.

    Returns (when called):
        `(x_mixed, share)`.

    Raises:
        ValueError: an input that is neither images nor videos, or inputs of different H or W.

    References:
        Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """

    dtype: str | None = None
    data_format: str = "channels_last"
    supports_jit: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", _arguments.output_dtype(self.dtype))
        check_data_format(self.data_format)

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        height, width = common_size(x, self.data_format)
        box = draw_box(lam, fraction(seed[:, :2]), height, width)
        x_mixed = _paste_all(x, x_partner, box, self.dtype, self.data_format)
        return x_mixed, kept_share(box, height, width)


@dataclass(frozen=True)
class BoxRange(Configurable):
    """x~ = x outside a box, x_partner inside it: CutMix with bounds on the sides of the box.

    Height and width of the box are drawn independently, each uniform on the whole numbers from
    round(low H) to round(high H), or of W; then its place, uniform among those wholly inside the
    image. The share of the original is 1 - (pixels copied) / (H W). lam says only whether there is
    a box: at lam = 1 there is none. A video has the same box in every frame.

    Args:
        low, high: bounds on the sides, as fractions of the image's, 0 <= low <= high <= 1.
        dtype, data_format: as in `Box`.

    Returns (when called):
        `(x_mixed, share)`.

    Raises:
        ValueError: an input that is neither images nor videos, or inputs of different H or W.

    References:
        timm's `cutmix_minmax`, which leaves out the largest side, and the last row and column.
    """

    low: float = 0.2
    high: float = 0.8
    dtype: str | None = None
    data_format: str = "channels_last"
    supports_jit: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, end in zip(("low", "high"), _arguments.interval(self.low, self.high)):
            object.__setattr__(self, name, end)
        object.__setattr__(self, "dtype", _arguments.output_dtype(self.dtype))
        check_data_format(self.data_format)

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        height, width = common_size(x, self.data_format)

        def side(bits: tf.Tensor, size: Any) -> tf.Tensor:
            pixels = tf.cast(size, tf.float32)
            shortest, longest = (
                tf.cast(tf.round(end * pixels), tf.int32) for end in (self.low, self.high)
            )
            return tf.where(lam == 1, 0, shortest + index(bits, longest - shortest + 1))

        sides = side(seed[:, 0], height), side(seed[:, 1], width)
        box = place_inside(sides, seed[:, 2:4], height, width)
        x_mixed = _paste_all(x, x_partner, box, self.dtype, self.data_format)
        return x_mixed, kept_share(box, height, width)


def draw_box(lam: tf.Tensor, centre: tf.Tensor, height: Any, width: Any) -> Rectangle:
    """The CutMix boxes for given centres.

    Args:
        lam: float32 `[B]`.
        centre: float32 `[B, 2]`, vertical and horizontal position, as a fraction in [0, 1).
        height, width: of the image, in pixels.

    Returns:
        `(top, left, bottom, right)`, int32 `[B]` each, half-open: rows top to bottom - 1.
    """
    side = tf.sqrt(1 - lam)

    def interval(position: tf.Tensor, size: Any) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.cast(size, tf.float32)
        length = tf.cast(tf.round(side * pixels), tf.int32)
        middle = tf.cast(position * pixels, tf.int32)
        start = middle - length // 2
        return tf.clip_by_value(start, 0, size), tf.clip_by_value(start + length, 0, size)

    top, bottom = interval(centre[:, 0], height)
    left, right = interval(centre[:, 1], width)
    return Rectangle(top, left, bottom, right)


def _paste_all(x: Any, x_partner: Any, box: Rectangle, dtype: str | None, data_format: str) -> Any:
    """Every input with the same rectangle replaced by its partner's."""

    def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return as_dtype(paste(a, b, box, data_format), pixel_dtype(a, dtype))

    return tf.nest.map_structure(mix, x, x_partner)
