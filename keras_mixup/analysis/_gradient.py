"""The gradient of the loss with respect to the input, on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mixup._arguments import fail

# (x [B, ...] float32, target [B, K]) -> d loss / dx [B, ...] float32
Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]


def gradient_function(model: keras.Model, from_logits: bool) -> Gradient:
    """Return the function that computes the gradient for one batch, compiled if the backend can.

    Losses are summed over the batch: in inference mode, the loss of an example depends only on its
    own input, so the gradient of the sum contains the gradient of each example.
    """
    inputs = getattr(model, "inputs", None) or []
    if any("float" not in keras.backend.standardize_dtype(tensor.dtype) for tensor in inputs):
        raise _not_differentiable(inputs[0].dtype)
    backends = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    backend = keras.backend.backend()
    if backend not in backends:
        fail(
            ValueError,
            f"Gradients need one of the Keras backends {', '.join(backends)}.",
            "Set KERAS_BACKEND to one of them.",
            backend=backend,
        )
    return backends[backend](model, from_logits)


def _loss(output: Any, target: Any, from_logits: bool) -> Any:
    """Sum over the batch of -sum_k target[k] log p[k], in nats, in float32."""
    output = ops.cast(output, "float32")
    if output.shape[-1] == 1:
        # Two classes. softmax([0, z]) is [1 - sigmoid(z), sigmoid(z)].
        other = ops.zeros_like(output) if from_logits else 1.0 - output
        output = ops.concatenate([other, output], axis=-1)
    if from_logits:
        log_p = ops.log_softmax(output, axis=-1)
    else:
        # Not `keras.config.epsilon()`: below that floor, the gradient is 0, and a confident model
        # would appear flat exactly where it is steep.
        log_p = ops.log(ops.maximum(output, float(np.finfo("float32").tiny)))
    return -ops.sum(target * log_p)


def _tensorflow(model: keras.Model, from_logits: bool) -> Gradient:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(x: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            loss = _loss(model(x, training=False), target, from_logits)
        gradient = tape.gradient(loss, x)
        if gradient is None:
            raise _not_differentiable("float32")
        return gradient

    return lambda x, target: step(tf.constant(x), tf.constant(target, tf.float32)).numpy()


def _jax(model: keras.Model, from_logits: bool) -> Gradient:
    import jax

    def loss(x: Any, target: Any, trainable: Any, non_trainable: Any) -> Any:
        output, _ = model.stateless_call(trainable, non_trainable, x, training=False)
        return _loss(output, target, from_logits)

    step = jax.jit(jax.grad(loss))

    def gradient(x: np.ndarray, target: np.ndarray) -> np.ndarray:
        # Read at every call, because the model may have been trained since the last one.
        trainable = [variable.value for variable in model.trainable_variables]
        non_trainable = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(step(x, target.astype("float32"), trainable, non_trainable))

    return gradient


def _torch(model: keras.Model, from_logits: bool) -> Gradient:
    import torch

    def gradient(x: np.ndarray, target: np.ndarray) -> np.ndarray:
        inputs = ops.convert_to_tensor(x).requires_grad_()
        output = model(inputs, training=False)
        loss = _loss(output, ops.convert_to_tensor(target, "float32"), from_logits)
        if not loss.requires_grad:
            raise _not_differentiable("float32")
        # Not `backward`, which would add to the gradients of the model's own weights.
        (result,) = torch.autograd.grad(loss, inputs, allow_unused=True)
        if result is None:
            raise _not_differentiable("float32")
        return ops.convert_to_numpy(result)

    return gradient


def _not_differentiable(dtype: Any) -> TypeError:
    return TypeError(
        "The model must be differentiable with respect to its input. Measure the part of the model "
        f"after the embedding or the cast. Received: an input of dtype {dtype}, and no gradient"
    )
