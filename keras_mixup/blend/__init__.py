"""How two examples are combined into one: `(x, x_partner, lam, seed) -> (x_mixed, share)`.

`x` and `x_partner` are each a tensor or a nest of tensors `[B, ...]`; a mix passes lists with one
tensor per input. `lam` is float32 `[B]`. `seed` is int32 `[B, 8]`: random bits for each example,
for the draws that the blend makes itself. `share`, float32 `[B]`, is the actual share of the
original in `x_mixed`; labels and sample weights are mixed with this share, not with lam. At
lam = 1, a blend returns `x` bit for bit. Any function with this signature can be used as a blend.

Images are `[B, H, W, C]` and videos `[B, T, H, W, C]`. In a mix with
`data_format="channels_first"`, blends receive `[B, C, H, W, 1]`. A blend declares in class
attributes what else it can do; see `Blend`. Labels per pixel are blended like the images, with the
same plan.
"""

from keras_mixup.blend._bands import Bands
from keras_mixup.blend._base import BITS, Blend, Copying
from keras_mixup.blend._base import as_blend as as_blend  # used by the engine
from keras_mixup.blend._box import Box, BoxRange
from keras_mixup.blend._fourier import Fourier
from keras_mixup.blend._grid import Form, Grid
from keras_mixup.blend._grids import Images, Sequences, Spectrograms
from keras_mixup.blend._linear import Linear
from keras_mixup.blend._resized import Resized
from keras_mixup.blend._segment import Segment

__all__ = [
    "BITS",
    "Bands",
    "Blend",
    "Box",
    "BoxRange",
    "Copying",
    "Form",
    "Fourier",
    "Grid",
    "Images",
    "Linear",
    "Resized",
    "Segment",
    "Sequences",
    "Spectrograms",
]
