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
from keras_mixup._engine.mix import Mix, mix_of
from keras_mixup._engine.tensors import as_tensors
from keras_mixup._nest import is_dense, like, named, walk
from keras_mixup.blend import Images
from keras_mixup.coefficient import Constant
from keras_mixup.label import Linear

_IMAGES, _WEIGHTS = "images", "sample_weights"
_TARGETS = ("labels", "segmentation_masks", "bounding_boxes")
# The rank of one number per example or pixel.
_RANKS = {"labels": 1, "segmentation_masks": 3}
# Up to this integer, the dtype represents all of them exactly.
_EXACT = {"bfloat16": 2**8, "float16": 2**11}


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixLayer(keras.layers.Layer):
    """A mix as a layer, for a `keras.layers.Pipeline`, or in place of `keras.layers.MixUp`.

    Mapped over a dataset, alone or in a `Pipeline`, it returns what `ds.map(mix)` returns, bit for
    bit. If nothing else needs a layer, `ds.apply(mix)` is faster, and mixes anew in every epoch
    even if a batch comes back unchanged.

    In `tf.data`, Keras's own layers cast every entry of the dictionary to floats. Floats `[B]` or
    `[B, 1]`, and masks `[B, H, W]` or `[B, H, W, 1]`, are therefore read as class ids if the mix
    has `num_classes`. For one number per example or pixel, pass `num_classes=1` and `[B, 1]` or
    `[B, H, W, 1]`.

    Args:
        mix: what `mixup`, `cutmix`, `choose`, `WithClean` or `Mix` returns. It must happen in the
            pipeline, and have no schedule.
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
        ValueError: if the mix has a schedule or happens in a model; when called, if an entry is
            missing or unknown, if floats may be class ids, if the layer is part of a model, or if
            the mix raises one. At run time, an `InvalidArgumentError` if class ids are not whole.

    Example:
        >>> mix = MixLayer(mixup(0.2, num_classes=10, seed=0))
        >>> augment = keras.layers.Pipeline([keras.layers.RandomFlip(), mix])
        >>> batches = ds.map(lambda x, y: {"images": x, "labels": y}).batch(8)
        >>> batches.map(augment).element_spec["labels"].shape
        TensorShape([None, 10])
        >>> val = batches.map(lambda batch: mix(batch, training=False))
    """

    def __init__(self, mix: Mix, name: str | None = None) -> None:
        super().__init__(name=name)
        if not isinstance(mix, Mix):
            todo = "Pass what mixup(...), cutmix(...) or choose(...) returns."
            _arguments.fail(TypeError, "A `MixLayer` must be given a mix.", todo, mix=mix)
        if mix.method.points:
            _arguments.fail(
                ValueError,
                "A mix that happens in a model passes its plan to the model with the inputs.",
                "Use ds.batch(n).apply(mix), and train mix.wrap(model).",
                mix=mix,
            )
        if any(parts.coefficient.scheduled for parts in mix.method.blended):
            _arguments.fail(
                ValueError,
                "A schedule counts the batches of a training run, which a layer cannot do.",
                "Use ds.repeat().batch(n).apply(mix), and pass steps_per_epoch to fit.",
                mix=mix,
            )
        self.mix = mix
        self._clean = mix_of(_unmixed(mix.method), mix, seed=0)
        self.built = True
        self.supports_jit = mix.method.supports_jit
        # Keras would cast floats, and convert TensorFlow's tensors to those of another backend.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *element: Any, **kwargs: Any) -> Any:
        if any(isinstance(part, tf.data.Dataset) for part in element):
            todo = "Call ds.map(layer), or ds.apply(mix), which is faster."
            _arguments.fail(
                TypeError, "A layer mixes batches, not datasets.", todo, element=element
            )
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
        if len(element) == 2 and all(_has_targets(part) for part in element):
            _arguments.fail(
                ValueError,
                "Two dictionaries of images and targets could be a pair, or x and y.",
                "Map pairs to ((x, y), (x, y)); if these are x and y, rename entries of one.",
                keys=[list(part) for part in element],
            )
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
        methods = tuple(_unmixed(member) for member in method.methods)
        return dataclasses.replace(method, methods=methods)
    assert isinstance(method, _WithClean)
    return _unmixed(method.method)


def _readable(leaf: Any) -> Any:
    """What TensorFlow can convert to a tensor."""
    try:
        if isinstance(leaf, keras.KerasTensor):
            raise TypeError
        foreign = keras.backend.backend() != "tensorflow" and keras.ops.is_tensor(leaf)
        return keras.ops.convert_to_numpy(leaf) if foreign else leaf
    except TypeError:  # also what JAX raises for a tensor that it traces
        _arguments.fail(
            ValueError,
            "A `MixLayer` mixes batches of inputs and labels, so it cannot be a layer of a model.",
            "Call it in the pipeline, with ds.map(layer). To mix in the model, wrap it: "
            "in_model(mix).wrap(model), for a linear mix such as mixup.",
            value=leaf,
        )


def _of_backend(leaf: Any) -> Any:
    return leaf if leaf is None or leaf.dtype == tf.string else keras.ops.convert_to_tensor(leaf)


# ---------------------------------------------------------------- Keras's dictionary


def _has_targets(part: Any) -> bool:
    return isinstance(part, Mapping) and _IMAGES in part and any(name in part for name in _TARGETS)


def _mix_dictionary(mix: Mix, data: Mapping[str, Any]) -> Any:
    if not _has_targets(data):
        _arguments.fail(
            ValueError,
            f"A dictionary needs `{_IMAGES}` and at least one of "
            f"{', '.join(f'`{name}`' for name in _TARGETS)}.",
            "Rename its entries, or pass (x, y).",
            keys=list(data),
        )
    targets = {name: _target(mix, name, data[name]) for name in _TARGETS if name in data}
    others = {name: data[name] for name in data if name not in {_IMAGES, _WEIGHTS, *targets}}
    paths = [path for path, _ in walk(others)]
    unknown = [path for path in paths if not any(named(entry, "x", path) for entry in mix.keep)]
    if unknown:
        _arguments.fail(
            ValueError,
            "A layer mixes the entries that Keras's layers know, and no others.",
            "If the label does not depend on the others, pass "
            f"keep={(*mix.keep, *unknown)} to the mix. To mix several inputs, pass (x, y).",
            keys=list(data),
        )
    x = {_IMAGES: data[_IMAGES], **others} if others else data[_IMAGES]
    nested = list(targets) != ["labels"]
    y = targets if nested else targets["labels"]
    weights = [data[_WEIGHTS]] if _WEIGHTS in data else []
    x, y, *weights = mix(x, y, *weights)
    mixed = {**(x if others else {_IMAGES: x}), **(y if nested else {"labels": y})}
    mixed |= dict(zip([_WEIGHTS], weights))
    return like(data, {name: mixed[name] for name in data})


def _target(mix: Mix, name: str, value: Any) -> Any:
    """The target as a mix takes it: boxes padded, and ids that Keras cast to floats as integers."""
    if isinstance(value, Mapping):
        return like(value, {key: _padded(key, part) for key, part in value.items()})
    kept = any(named(entry, "y", name) for entry in mix.keep)
    if kept or name not in _RANKS or not is_dense(value) or not value.dtype.is_floating:
        return value
    axes = (value.shape.rank or 0) - _RANKS[name]
    first = name != "labels" and Images.of(mix.data_format).data_format == "channels_first"
    width = value.shape[1 if first else -1] if axes == 1 else 1
    if axes not in (0, 1) or width not in (None, 1):
        return value  # soft labels
    classes = mix.num_classes
    classes = classes.get(name) if isinstance(classes, Mapping) else classes
    if isinstance(classes, (Mapping, tuple)):
        return value  # refused by the mix
    if classes is None or (classes == 1 and axes == 0):
        _arguments.fail(
            ValueError,
            "Floats with one number per example or pixel could be class ids, because Keras's "
            "layers cast ids to floats.",
            "Pass num_classes=... to the mix if they are. If they are numbers, pass num_classes=1, "
            "and give them an axis of that size, as in [B, 1].",
            **{name: value, "num_classes": mix.num_classes},
        )
    return value if axes == 1 and width in (None, classes) else _as_ids(name, value, classes)


def _as_ids(name: str, value: tf.Tensor, num_classes: int) -> tf.Tensor:
    if num_classes - 1 > _EXACT.get(value.dtype.name, num_classes):
        _arguments.fail(
            ValueError,
            f"{value.dtype.name} cannot represent the ids of {num_classes} classes exactly, and "
            "Keras's layers cast class ids to it.",
            'Pass dtype="float32" to the layers before the mix, or use one-hot labels.',
            **{name: value},
        )
    whole = value == tf.round(value)
    ids = tf.cast(tf.where(whole, value, -tf.ones_like(value)), tf.int64)
    return _arguments.require(
        tf.reduce_all(whole),
        f"With num_classes={num_classes}, floats with one number per example or pixel are class "
        f"ids, and must be whole. If `{name}` are numbers, pass num_classes=1. Received: {name}=",
        value,
        value=ids,
    )


def _padded(key: str, part: Any) -> Any:
    """Ragged boxes or labels padded as Keras pads them."""
    if not isinstance(part, tf.RaggedTensor):
        return part
    return part.to_tensor(-1 if key in ("labels", "classes") else 0)
