"""mixup for people who train with Keras: one call turns a tf.data pipeline into a mixed one."""

from keras_mixup import (
    analysis,
    blend,
    coefficient,
    label_share,
    metrics,
    pairing,
    plot,
    schedule,
)
from keras_mixup.choice import choose
from keras_mixup.class_weights import class_weights
from keras_mixup.cut_recipes import cutmix, cutmix_minmax, fmix, resizemix, specmix
from keras_mixup.mix import Mix
from keras_mixup.neighbors import nearest_neighbors, neighbor_pairs
from keras_mixup.pairing import shuffled_pairs
from keras_mixup.recipes import cmixup, mixup, regmixup, remix
from keras_mixup.with_clean import WithClean

__all__ = [
    "Mix",
    "WithClean",
    "analysis",
    "blend",
    "choose",
    "class_weights",
    "cmixup",
    "coefficient",
    "cutmix",
    "cutmix_minmax",
    "fmix",
    "label_share",
    "metrics",
    "mixup",
    "nearest_neighbors",
    "neighbor_pairs",
    "pairing",
    "plot",
    "regmixup",
    "remix",
    "resizemix",
    "schedule",
    "shuffled_pairs",
    "specmix",
]
