"""`MixedModel`: what `Mix.wrap` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._engine.leaf import fill, names, walk
from keras_mixup._in_model.insert import has_graph, is_graph, with_points
from keras_mixup._in_model.plan import INPUT, Mixing, dtype_of, has_plan, mixing_by


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixedModel(keras.Model):
    """A model that mixes its inputs, or the outputs of some layers, by the plan of the pipeline.

    It is what `Mix.wrap` returns. It shares the layers of `model`, so training one trains the
    other; `model` itself is not changed. It can be trained, evaluated, saved and loaded like any
    Keras model.

    It accepts the batches of the mix's pipeline, whose labels are mixed, and plain inputs, such as
    validation data. It mixes the former, also in evaluation and prediction, and never the latter.
    For plain inputs, and where lam is 1, it computes what `model` computes, bit for bit.

    A batch may be divided among devices as long as every example stays with its partner. If a
    partner is missing, as under `MirroredStrategy` or after `rebatch`, TensorFlow outside XLA
    raises an `InvalidArgumentError`; everywhere else, the example, and so the loss, becomes NaN.

    Args:
        model: a Functional, Sequential or subclassed model.
        points: names of layers or `MixPoint` objects, and "input", in the order of the indices in
            the plan.
        keep: names of inputs that are not mixed at "input".
        **kwargs: arguments of `keras.Model`.

    Attributes:
        model: the wrapped model.
        points: the names of the points.
    """

    def __init__(
        self,
        model: keras.Model,
        points: Sequence[str],
        keep: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, keras.Model):
            _arguments.fail(
                TypeError, "Only a Keras model can be wrapped.", "Pass a keras.Model.", model=model
            )
        if isinstance(model, MixedModel):
            _arguments.fail(
                ValueError, "This model is already wrapped.", "Wrap its `model`.", model=model
            )
        # Inputs are passed to `model` unchanged, and lam stays float32.
        super().__init__(autocast=False, **{"name": f"mixed_{model.name}", **kwargs})
        self.points = tuple(points)
        self.keep = tuple(keep)
        self.model = model
        if INPUT in self.points:
            self._check_inputs()
        inner = with_points(model, self.points)
        # Stored as a function, because Keras would track a model, and list its layers twice.
        self._run = lambda *args, **kwargs: inner(*args, **kwargs)
        self.built = model.built

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not has_plan(inputs):
            return self.model(inputs, training=training)
        indices = {key: index for index, key in enumerate(self.points)}
        mixing = Mixing(indices, inputs)
        x = inputs["x"]
        if INPUT in self.points:
            x = self._mixed_inputs(mixing, x)
        if not self.model.built:
            # Otherwise, Keras would trace the model to build it while the points are mixing.
            self.model.compute_output_spec(x)
        with mixing_by(mixing):
            outputs = self._run(x, training=training)
        mixing.check_reached()
        return outputs

    def _check_inputs(self) -> None:
        """Raise an error if a mixture would be truncated to integers."""
        if not is_graph(self.model) or not has_graph(self.model):
            return
        sequential = isinstance(self.model, keras.Sequential)
        for path, tensor in walk(self.model.inputs[0] if sequential else self.model.input):
            dtype = dtype_of(tensor)
            if "int" in dtype and not self._keeps(path):
                _arguments.fail(
                    ValueError,
                    "The mixture of integers is not an integer, but this input accepts only "
                    "integers.",
                    'Remove "input" from `layers`, or give this input dtype="float32"; uint8 '
                    "batches are still transferred as uint8.",
                    input=tensor.name,
                    dtype=dtype,
                )

    def _mixed_inputs(self, mixing: Mixing, x: Any) -> Any:
        given = list(walk(x))
        mixed = mixing(INPUT, {path: leaf for path, leaf in given if not self._keeps(path)})
        return fill(x, iter([mixed.get(path, leaf) for path, leaf in given]))

    def _keeps(self, path: str) -> bool:
        return any(names(name, "x", path) for name in self.keep)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": keras.saving.serialize_keras_object(self.model),
            "points": list(self.points),
            "keep": list(self.keep),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MixedModel:
        """Create a model from the output of `get_config`."""
        config = dict(config)
        model = keras.saving.deserialize_keras_object(config.pop("model"), custom_objects)
        return cls(model, **config)
