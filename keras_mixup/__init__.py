"""mixup and its family for Keras, as a transformation of a `tf.data` pipeline."""

try:
    import tensorflow as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        'keras_mixup needs TensorFlow. Run `pip install ".[tf]"` in the checkout; for '
        f"tensorflow-cpu and nightly builds, see docs/install.md. Received: {error}"
    ) from error

from keras_mixup import (
    blend,
    callbacks,
    coefficient,
    label,
    metrics,
    pairing,
    plot,
    recipes,
    schedule,
)
from keras_mixup._class_weights import class_weights
from keras_mixup._engine.choose import choose
from keras_mixup._engine.clean import WithClean
from keras_mixup._engine.mix import Mix
from keras_mixup._in_model import MixedModel, MixPoint
from keras_mixup._layer import MixLayer
from keras_mixup._plan import ChoicePlan, Plan
from keras_mixup.pairs import shuffled_pairs
from keras_mixup.recipes import *  # noqa: F403

__version__ = "0.1.0"

__all__ = [
    "ChoicePlan",
    "Mix",
    "MixLayer",
    "MixPoint",
    "MixedModel",
    "Plan",
    "WithClean",
    "blend",
    "callbacks",
    "choose",
    "class_weights",
    "coefficient",
    "label",
    "metrics",
    "pairing",
    "plot",
    "schedule",
    "shuffled_pairs",
]
__all__ += recipes.__all__
