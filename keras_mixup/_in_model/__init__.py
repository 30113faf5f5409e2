"""Mixing in the training step of a model, on TensorFlow, JAX and PyTorch.

`Mix.wrap` returns a `MixedModel` (`model`). Its training step draws (`draw`), mixes labels and
sample weights (`labels`), and mixes the inputs or the outputs of layers at points (`points`), which
were inserted into the graph of the model (`insert`). Everything here is made of `keras.ops`. It
knows the parts of a mix, and nothing of pipelines.
"""

from keras_mixup._in_model.model import MixedModel
from keras_mixup._in_model.points import MixPoint

__all__ = ["MixPoint", "MixedModel"]
