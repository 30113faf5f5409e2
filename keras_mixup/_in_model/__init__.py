"""Mixing inside a model: the part of Manifold Mixup that runs on the accelerator.

The pipeline of `manifold_mixup` and `in_model` mixes the labels and passes each batch to the model
together with a plan (`plan`). `Mix.wrap` returns a `MixedModel` (`model`), in whose graph points
were inserted after the named layers (`insert`); each point mixes by that plan (`points`).
Everything here is made of `keras.ops`, and works with TensorFlow, JAX and PyTorch.
"""

from keras_mixup._in_model.model import MixedModel
from keras_mixup._in_model.plan import with_plan
from keras_mixup._in_model.points import MixPoint

__all__ = ["MixPoint", "MixedModel", "with_plan"]
