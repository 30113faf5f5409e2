"""How two examples become one: `(x, x_partner, lam, seed) -> (x_mixed, share)`.

`x` and `x_partner` are a tensor or a nest of tensors `[B, ...]`; a mix passes lists, with one
tensor per input. `lam` is float32 `[B]`; `seed` is int32 `[B, 8]`, random bits for what the blend
draws itself, example by example. `share`, float32 `[B]`, is the share of the original that is
really in `x_mixed`: labels and sample weights are mixed with it, and not with lam. At lam = 1 a
blend returns `x`, bit for bit. Any function with this signature is a blend.

Images are `[B, H, W, C]`, videos `[B, T, H, W, C]`; in a mix with `data_format="channels_first"`
blends see `[B, C, H, W, 1]`. What else a blend can do, it declares; see `Blend`. Labels per pixel
are blended as the images are, by the same plan.
"""

from keras_mixup.blend._bands import Bands
from keras_mixup.blend._base import BITS, Blend, FromFunction
from keras_mixup.blend._base import as_blend as as_blend  # for the engine
from keras_mixup.blend._box import Box, BoxRange, draw_box
from keras_mixup.blend._fourier import Fourier
from keras_mixup.blend._linear import Identity, Linear
from keras_mixup.blend._resized import Resized

__all__ = [
    "BITS",
    "Bands",
    "Blend",
    "Box",
    "BoxRange",
    "Fourier",
    "FromFunction",
    "Identity",
    "Linear",
    "Resized",
    "draw_box",
]
