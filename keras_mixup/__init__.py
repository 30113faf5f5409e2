"""mixup for people who train with Keras: one call turns a tf.data pipeline into a mixed one."""

from keras_mixup import analysis, blend, coefficient, metrics, pairing, plot
from keras_mixup.choice import choose
from keras_mixup.mix import Mix
from keras_mixup.pairing import shuffled_pairs
from keras_mixup.recipes import cutmix, mixup

__all__ = [
    "Mix",
    "analysis",
    "blend",
    "choose",
    "coefficient",
    "cutmix",
    "metrics",
    "mixup",
    "pairing",
    "plot",
    "shuffled_pairs",
]
