"""What mixup does to your model: between examples, in confidence, under label noise and attack.

Every measure accepts any Keras classifier with one input and one output `[N, K]`, on any backend,
and NumPy arrays `(x, y)` or a batched `tf.data.Dataset` of them, all of which is read into memory.
Models run in inference mode and are not changed. A single sigmoid output `[N, 1]` is treated as two
classes. Results are frozen objects with the methods `table()`, which returns Markdown, and
`plot(ax=None)`, which returns a matplotlib figure.
"""

from keras_mixup.analysis._adversarial import (
    AdversarialErrors,
    adversarial_errors,
    adversarial_examples,
)
from keras_mixup.analysis._between import InBetween, in_between
from keras_mixup.analysis._boundary import (
    DecisionBoundary,
    LineProfile,
    decision_boundary,
    line_profile,
)
from keras_mixup.analysis._calibration import (
    Calibration,
    calibration,
    fit_temperature,
)
from keras_mixup.analysis._label_noise import LabelNoise, LabelNoiseErrors, corrupt_labels
from keras_mixup.analysis._reliability import Reliability, reliability

__all__ = [
    "AdversarialErrors",
    "Calibration",
    "DecisionBoundary",
    "InBetween",
    "LabelNoise",
    "LabelNoiseErrors",
    "LineProfile",
    "Reliability",
    "adversarial_errors",
    "adversarial_examples",
    "calibration",
    "corrupt_labels",
    "decision_boundary",
    "fit_temperature",
    "in_between",
    "line_profile",
    "reliability",
]
