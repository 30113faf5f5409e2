"""`MixedModel`: what `Mix.wrap` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._in_model.insert import has_graph, is_graph, with_points
from keras_mixup._in_model.masks import Origin, origin_of_input
from keras_mixup._in_model.plan import (
    INPUT,
    Mixing,
    X,
    dtype_of,
    fail_no_mixture,
    has_mixture,
    has_plan,
    mixing_by,
)
from keras_mixup._nest import fill, named, walk

# What a model class may change in training, evaluation and prediction.
_STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixedModel(keras.Model):
    """A model that mixes its inputs, or the outputs of some layers, by the plan of the pipeline.

    It is what `Mix.wrap` returns. It shares the layers of `model`, so training one trains the
    other; `model` itself is not changed. It can be trained, evaluated, saved and loaded like any
    Keras model.

    It accepts the batches of the mix's pipeline, whose labels are mixed, and plain inputs, such as
    validation data. It mixes pipeline batches, including in `evaluate` and `predict`, and never
    plain inputs.
    For plain inputs, and where lam is 1, it computes what `model` computes, bit for bit.

    A batch may be divided among devices as long as every example stays with its partner. If a
    partner is missing, as under `MirroredStrategy` or after `rebatch`, TensorFlow outside XLA
    raises an `InvalidArgumentError`; everywhere else, the example, and so the loss, becomes NaN.

    To customize training, define `train_step`, `compute_loss` and the like in a subclass.
    `export` exports `model`, which contains nothing of this package.

    Args:
        model: a Functional, Sequential or subclassed model.
        points: names of layers or `MixPoint` objects, and "input", in the order of the indices in
            the plan.
        keep: names of inputs that are not mixed at "input".
        masks: names of inputs that are masks, which are united instead of mixed.
        **kwargs: arguments of `keras.Model`.

    Attributes:
        model: the wrapped model.
        points: the names of the points.
        keep: the names of inputs that are not mixed.
        masks: the names of inputs that are masks.

    Raises:
        TypeError, ValueError: as in `Mix.wrap`.
    """

    def __init__(
        self,
        model: keras.Model,
        points: Sequence[str],
        keep: Sequence[str] = (),
        masks: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, keras.Model):
            _arguments.fail(
                TypeError, "Only a Keras model can be wrapped.", "Pass a keras.Model.", model=model
            )
        if isinstance(model, MixedModel):
            _arguments.fail(
                ValueError, "This model is already wrapped.", "Wrap model.model.", model=model
            )
        self._check_training(model)
        # Inputs are passed to `model` unchanged, and lam stays float32. The policy decides whether
        # `compile` scales the loss.
        defaults = {"name": f"mixed_{model.name}", "dtype": model.dtype_policy}
        super().__init__(autocast=False, **{**defaults, **kwargs})
        self.points = tuple(points)
        self.keep = tuple(keep)
        self.masks = _arguments.names("masks", masks)
        self.model = model
        self._named_inputs = _named_inputs(model)
        self._check_masks()
        if INPUT in self.points:
            self._check_inputs()
        inner = with_points(model, self.points, self._origins())
        # Stored as a function, because Keras would track a model, and list its layers twice.
        self._run = lambda *args, **kwargs: inner(*args, **kwargs)
        self.built = model.built

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not has_plan(inputs):
            return self.model(inputs, training=training)
        indices = {key: index for index, key in enumerate(self.points)}
        mixing = Mixing(indices, inputs)
        x = inputs[X]
        if INPUT in self.points:
            x = self._mixed_inputs(mixing, x)
        if not self.model.built:
            # Otherwise, Keras would trace the model to build it while the points are mixing.
            self.model.compute_output_spec(x)
        with mixing_by(mixing):
            outputs = self._run(x, training=training)
        mixing.check_reached()
        return outputs

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """Export `model`, which serves plain inputs; see `keras.Model.export`."""
        return self.model.export(*args, **kwargs)

    def _check_training(self, model: keras.Model) -> None:
        """Raise an error if the class of the model trains in a way that would not be used."""
        own = [
            name
            for name in _STEPS
            if getattr(type(model), name) is not getattr(keras.Model, name)
            and getattr(type(self), name) is getattr(MixedModel, name)
        ]
        if own:
            _arguments.fail(
                ValueError,
                "A wrapped model is trained by the methods of MixedModel, and those of the model "
                "inside it would not be used.",
                "Define these methods in a subclass of MixedModel, and create it with "
                "points=layers instead of calling wrap.",
                model=type(model).__name__,
                methods=own,
            )

    def _check_masks(self) -> None:
        """Raise an error for a mask that is no input, or that could not be united."""
        if not self._named_inputs and self.masks and set(self.points) != {INPUT}:
            _arguments.fail(
                ValueError,
                "In a subclassed model, it cannot be known where a mask meets what was mixed.",
                "Pass the mask through the MixPoint as a boolean: h, mask = point((h, mask)).",
                masks=self.masks,
            )
        known = [path or tensor.name for path, tensor in self._named_inputs]
        for name in self.masks:
            found = (self._is_named((name,), path, tensor) for path, tensor in self._named_inputs)
            if self._named_inputs and not any(found):
                _arguments.fail(
                    ValueError,
                    "`masks` must name inputs of the model.",
                    f"Choose from {known}.",
                    masks=self.masks,
                )

    def _check_inputs(self) -> None:
        """Raise an error if an input has no mixture, or it would be truncated to integers."""
        for path, tensor in self._named_inputs:
            if self._is_named((*self.keep, *self.masks), path, tensor):
                continue
            if not has_mixture(tensor, at_input=True):
                fail_no_mixture(INPUT, dtype_of(tensor))
            if "int" in dtype_of(tensor):
                _arguments.fail(
                    ValueError,
                    "The mixture of integers is not an integer, but this input accepts only "
                    "integers.",
                    'Remove "input" from `layers`, or give this input dtype="float32"; uint8 '
                    "batches are still transferred as uint8. If it is a mask, name it in `masks` "
                    "of `wrap`.",
                    input=tensor.name,
                    dtype=dtype_of(tensor),
                )

    def _origins(self) -> list[Origin]:
        """What is known of the inputs, in the order of `model.inputs`."""
        by_tensor = {}
        for path, tensor in self._named_inputs:
            kept = INPUT not in self.points or self._is_named(self.keep, path, tensor)
            is_mask = self._is_named(self.masks, path, tensor)
            points = () if kept else (INPUT,)
            by_tensor[id(tensor)] = origin_of_input(tensor, points, is_mask=is_mask)
        return [by_tensor[id(tensor)] for tensor in self.model.inputs] if by_tensor else []

    def _is_named(self, names: Sequence[str], path: str, tensor: Any = None) -> bool:
        """Whether an input is meant, by its path or, as Keras allows, by its own name."""
        if tensor is None:
            tensor = dict(self._named_inputs).get(path)
        own = getattr(tensor, "name", path)
        return any(named(name, "x", path) or named(name, "x", own) for name in names)

    def _mixed_inputs(self, mixing: Mixing, x: Any) -> Any:
        values = dict(walk(x))
        masks = {path for path in values if self._is_named(self.masks, path)}
        kept = {path for path in values if self._is_named(self.keep, path)}
        united = mixing.mask(INPUT, {path: values[path] for path in masks - kept})
        mixed = mixing(INPUT, {path: values[path] for path in values if path not in masks | kept})
        return fill(x, iter({**values, **united, **mixed}.values()))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": keras.saving.serialize_keras_object(self.model),
            "points": list(self.points),
            "keep": list(self.keep),
            "masks": list(self.masks),
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MixedModel:
        """Create a model from the output of `get_config`."""
        config = dict(config)
        model = keras.saving.deserialize_keras_object(config.pop("model"), custom_objects)
        return cls(model, **config)


def _named_inputs(model: Any) -> list[tuple[str, Any]]:
    """`(path, tensor)` for each input of a graph; empty for a model of its own class."""
    if not is_graph(model):
        return []
    if not has_graph(model):
        _arguments.fail(
            ValueError,
            "A model must be built before it can be wrapped.",
            "Start a Sequential model with keras.Input(...).",
            model=model.name,
        )
    return list(walk(model.inputs[0] if isinstance(model, keras.Sequential) else model.input))
