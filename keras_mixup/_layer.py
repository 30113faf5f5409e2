"""`MixLayer`: a mix as a layer, for Keras's preprocessing pipelines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.choose import Choice
from keras_mixup._engine.clean import _WithClean
from keras_mixup._engine.methods import Method, Parts
from keras_mixup._engine.mix import Mix, as_mix, mix_of
from keras_mixup._engine.tensors import as_tensors
from keras_mixup._nest import is_dense, like, named, walk
from keras_mixup.coefficient import Constant
from keras_mixup.label import Linear

_IMAGES, _WEIGHTS = "images", "sample_weights"
_TARGETS = ("labels", "segmentation_masks", "bounding_boxes")
# The rank of one number per example or pixel.
_RANKS = {"labels": 1, "segmentation_masks": 3}
_NO_LAYER = "A `MixLayer` mixes batches of inputs and labels, so it cannot be a layer of a model."


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixLayer(keras.layers.Layer):
    """A mix as a layer, for a `keras.layers.Pipeline`, or in place of `keras.layers.MixUp`.

    Mapped over a dataset, alone or in a `Pipeline`, it returns what `ds.map(mix)` returns, bit for
    bit. If nothing else needs a layer, `ds.apply(mix)` is faster, and mixes anew in every epoch
    even if a batch comes back unchanged.

    In `tf.data`, Keras's own layers cast every entry of the dictionary to floats, class ids too. As
    for `keras.layers.MixUp`, convert ids to one-hot labels before the `Pipeline`, with
    `tf.one_hot`: floats `[B]`, `[B, 1]`, and masks `[B, H, W]`, `[B, H, W, 1]`, are refused. If
    these are numbers, pass them as `[B, 1]` or `[B, H, W, 1]` and declare `num_classes=1`.

    Args:
        mix: what `mixup`, `cutmix`, `choose`, `WithClean` or `Mix` returns. It must happen in the
            pipeline. One with a schedule is refused when the layer is called.
        name: the name of the layer.

    Call arguments:
        *element: a batch: the dictionary of Keras's layers, or `(x, y)` or `(x, y, sample_weight)`,
            also as several arguments, as `ds.map` passes them. The dictionary has `images`; at
            least one of `labels`, `bounding_boxes` and `segmentation_masks`; and `sample_weights`,
            if there are any. Other entries must be listed in `keep`. If there are several targets,
            `num_classes` may be a dictionary with the same keys. Ragged boxes are padded.
        training: True, the default, to mix. With False, the batch is returned unmixed, with the
            dtypes it has in training: ids become one-hot labels. `WithClean` then keeps the size of
            the batch.

    Returns when called:
        The same structure. Outside `tf.data`, the tensors are those of the Keras backend.

    Raises:
        TypeError: if `mix` is not a mix, or if the layer is called with a dataset.
        ValueError: if the mix happens in a model; when called, if it has a schedule, if an entry is
            missing or unknown, if floats may be class ids, if the layer is part of a model, or if
            the mix raises one. A gradient through the layer is refused, with a `LookupError` on
            TensorFlow.

    Example:
        >>> mix = MixLayer(mixup(0.2, seed=0))
        >>> augment = keras.layers.Pipeline([keras.layers.RandomFlip(), mix])
        >>> batches = ds.map(lambda x, y: {"images": x, "labels": tf.one_hot(y, 10)}).batch(8)
        >>> batches.map(augment).element_spec["labels"].shape
        TensorShape([None, 10])
        >>> val = batches.map(lambda batch: mix(batch, training=False))
    """

    def __init__(self, mix: Mix, name: str | None = None) -> None:
        super().__init__(name=name)
        self.mix = as_mix(mix)
        self._clean = mix_of(_unmixed(mix.method), mix, seed=0)
        self.built = True
        self.supports_jit = mix.method.supports_jit
        # Keras would cast floats, and convert TensorFlow's tensors to those of another backend.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    @_arguments.entry
    def __call__(self, *element: Any, **kwargs: Any) -> Any:
        element = as_tensors(keras.tree.map_structure(_readable, element))
        mixed = super().__call__(*element, **kwargs)
        if keras.backend.backend() == "tensorflow" or tf.inside_function():
            return mixed
        return keras.tree.map_structure(_of_backend, mixed)

    def call(self, *element: Any, training: bool = True) -> Any:
        mix = self.mix if training else self._clean
        if len(element) == 1 and isinstance(element[0], tuple):
            element = tuple(element[0])
        if len(element) == 1 and isinstance(element[0], Mapping):
            return _mix_dictionary(mix, element[0])
        return mix(*element)

    def get_config(self) -> dict[str, Any]:
        return {"mix": keras.saving.serialize_keras_object(self.mix), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MixLayer:
        return cls(**{**config, "mix": keras.saving.deserialize_keras_object(config["mix"])})


def _unmixed(method: Method) -> Method:
    """The method with lam = 1: inputs and labels are converted as before, but not mixed."""
    if isinstance(method, Parts):
        return dataclasses.replace(method, coefficient=Constant(1.0), label=Linear())
    if isinstance(method, Choice):
        return dataclasses.replace(method, methods=tuple(map(_unmixed, method.methods)))
    assert isinstance(method, _WithClean)
    return _unmixed(method.method)


def _readable(leaf: Any) -> Any:
    """What TensorFlow can convert to a tensor, and nothing that a model computes."""
    if isinstance(leaf, tf.data.Dataset):
        todo = "Call ds.map(layer), or ds.apply(mix), which is faster."
        _arguments.fail(TypeError, "A layer mixes batches, not datasets.", todo, dataset=leaf)
    if isinstance(leaf, tf.Tensor) and leaf.dtype.is_floating:
        return tf.raw_ops.PreventGradient(input=leaf, message=_NO_LAYER)
    try:
        if isinstance(leaf, keras.KerasTensor) or getattr(leaf, "requires_grad", False):
            raise TypeError
        foreign = keras.backend.backend() != "tensorflow" and keras.ops.is_tensor(leaf)
        return keras.ops.convert_to_numpy(leaf) if foreign else leaf
    except TypeError:  # also what JAX raises for a tensor that it traces
        todo = "Call it in the pipeline, with ds.map(layer), or train mix.wrap(model)."
        _arguments.fail(ValueError, _NO_LAYER, todo, value=leaf)


def _of_backend(leaf: Any) -> Any:
    return leaf if leaf is None or leaf.dtype == tf.string else keras.ops.convert_to_tensor(leaf)


# ---------------------------------------------------------------- Keras's dictionary


def _mix_dictionary(mix: Mix, data: Mapping[str, Any]) -> Any:
    y = {name: _numbers(mix, name, data[name]) for name in _TARGETS if name in data}
    if _IMAGES not in data or not y:
        _arguments.fail(
            ValueError,
            f"A dictionary needs `{_IMAGES}` and at least one of `{'`, `'.join(_TARGETS)}`.",
            "Rename its entries, or pass (x, y).",
            keys=list(data),
        )
    x = {name: data[name] for name in data if name not in {_WEIGHTS, *y}}
    kept = [path for path, _ in walk(x) if any(named(entry, "x", path) for entry in mix.keep)]
    unknown = [path for path, _ in walk(x) if path not in (_IMAGES, *kept)]
    if unknown:
        _arguments.fail(
            ValueError,
            "A layer mixes the entries that Keras's layers know, and no others.",
            "If the label does not depend on the others, pass "
            f"keep={(*mix.keep, *unknown)} to the mix. To mix several inputs, pass (x, y).",
            keys=list(data),
        )
    alone = list(y) == ["labels"]  # then `num_classes` may be a number
    weights = [data[_WEIGHTS]] if _WEIGHTS in data else []
    x, y, *weights = mix(x, y["labels"] if alone else y, *weights)
    mixed = {**x, **({"labels": y} if alone else y), **dict(zip([_WEIGHTS], weights))}
    return like(data, {name: mixed[name] for name in data})


def _numbers(mix: Mix, name: str, target: Any) -> Any:
    """The target, unless it is floats that Keras may have cast from class ids."""
    kept = any(named(entry, "y", name) for entry in mix.keep)
    if kept or name not in _RANKS or not is_dense(target) or not target.dtype.is_floating:
        return target
    classes = mix.num_classes.get(name) if isinstance(mix.num_classes, Mapping) else mix.num_classes
    shape, axes = target.shape, (target.shape.rank or 0) - _RANKS[name]
    single = axes == 1 and 1 in (shape[1], shape[-1])  # with channels first, too
    unknown = axes == 1 and shape[-1] is None
    if axes == 0 or (single and classes != 1) or (unknown and classes is None):
        _arguments.fail(
            ValueError,
            "Floats with one number per example or pixel could be class ids, because Keras's "
            "layers cast ids to floats.",
            "Call ds.batch(n) first; then, if they are, convert the ids with tf.one_hot before the "
            "layers. If they are numbers, pass num_classes=1 to the mix, and shape them [B, 1].",
            **{name: target, "num_classes": mix.num_classes},
        )
    return tf.ensure_shape(target, [*shape[:-1], classes]) if unknown else target
