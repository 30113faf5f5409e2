"""mixup for people who train with Keras: one call turns a tf.data pipeline into a mixed one."""

try:
    import tensorflow as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        'keras_mixup needs TensorFlow. Run `pip install "keras-mixup[tf]"`; docs/install.md says '
        f"what to type for tensorflow-cpu and nightlies. Received: {error}"
    ) from error

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
from keras_mixup._class_weights import class_weights
from keras_mixup._engine.choose import WithClean, choose
from keras_mixup._engine.methods import ChoicePlan, Plan
from keras_mixup._engine.mix import Mix
from keras_mixup.pairs import nearest_neighbors, neighbor_pairs, shuffled_pairs
from keras_mixup.recipes import (
    cmixup,
    cutmix,
    cutmix_minmax,
    fmix,
    mixup,
    regmixup,
    remix,
    resizemix,
    specmix,
)

__all__ = [
    "ChoicePlan",
    "Mix",
    "Plan",
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
