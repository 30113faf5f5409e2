"""mixup for people who train with Keras: one call turns a tf.data pipeline into a mixed one."""

from keras_mixup import blend, coefficient, metrics, pairing, plot
from keras_mixup.choice import choose
from keras_mixup.mix import Mix
from keras_mixup.pairing import shuffled_pairs
from keras_mixup.recipes import cutmix, cutmix_minmax, fmix, mixup, resizemix, specmix

__all__ = [
    "Mix",
    "blend",
    "choose",
    "coefficient",
    "cutmix",
    "cutmix_minmax",
    "fmix",
    "metrics",
    "mixup",
    "pairing",
    "plot",
    "resizemix",
    "shuffled_pairs",
    "specmix",
]
