"""`MixedModel`: what `Mix.wrap` returns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mixup import _arguments
from keras_mixup._in_model import labels
from keras_mixup._in_model.checks import check_class, check_mix
from keras_mixup._in_model.draw import Draw, draw, replica
from keras_mixup._in_model.graph import is_graph
from keras_mixup._in_model.insert import with_points
from keras_mixup._in_model.masks import check_masks, of_input
from keras_mixup._in_model.points import INPUT, Mixing, current, mixing_by
from keras_mixup._in_model.tensors import dtype_of, is_float
from keras_mixup._nest import fill, named, walk
from keras_mixup._plan import Plan


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixedModel(keras.Model):
    """A model that mixes the batches it is trained on, in the training step.

    It is what `Mix.wrap` returns. It shares the layers of `model`, so training one trains the
    other; `model` itself is not changed. It is compiled, trained, evaluated, saved and loaded like
    any Keras model, with data from any source that `fit` takes, and class ids as labels.

    Its `train_step` draws lam, the partners and one of the layers, mixes labels and sample weights,
    and mixes the output of that layer, or the input, during the forward pass. `evaluate` and
    `predict` mix nothing. Where lam is 1, and without training, it computes what `model` computes,
    bit for bit.

    The draws are a function of the seed, the number of the step, the row and the replica, and of
    nothing else. The step is the number of updates that the optimizer counts, so a training run
    that continues from a saved model continues with the draws of that step. Without a seed, one is
    drawn from `keras.random`.

    `export` exports `model`, which contains nothing of this package.

    Args:
        model: a Functional, Sequential or subclassed model.
        mix: the mix; see `Mix.wrap`.
        masks: names of inputs that are masks, which are united instead of mixed.
        **kwargs: arguments of `keras.Model`.

    Attributes:
        model: the wrapped model.
        mix: the mix.
        masks: the names of inputs that are masks.

    Raises:
        TypeError, ValueError: as in `Mix.wrap`.
    """

    def __init__(
        self, model: keras.Model, mix: Any, masks: Sequence[str] = (), **kwargs: Any
    ) -> None:
        if not isinstance(model, keras.Model):
            _arguments.fail(
                TypeError, "Only a Keras model can be wrapped.", "Pass a keras.Model.", model=model
            )
        check_class(model)
        check_mix(mix)
        # Inputs are passed to `model` unchanged, and lam stays float32. The policy decides whether
        # `compile` scales the loss.
        defaults = {"name": f"mixed_{model.name}", "dtype": model.dtype_policy}
        super().__init__(autocast=False, **{**defaults, **kwargs})
        self.mix, self.masks, self.model = mix, _arguments.names("masks", masks), model
        self._points = tuple(mix.layers or (INPUT,))
        self._named_inputs = _named_inputs(model)
        self._check_inputs()
        inner = with_points(model, self._points)
        # Stored as a function, because Keras would track a model, and list its layers twice.
        self._run = lambda *args, **kwargs: inner(*args, **kwargs)
        self._key = _key(mix.seed)
        self.built = model.built

    @property
    def output_names(self) -> list[str]:
        """Of a Functional model: Keras finds losses and metrics by them."""
        return list(self.model.output_names)

    @_arguments.entry
    def train_step(self, *args: Any) -> Any:
        *state, data = args
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            _arguments.fail(
                ValueError, "There are no labels to mix.", "Pass (x, y) to fit.", data=type(data)
            )
        self._check_keep(x, y)
        drawn = self._draw(ops.shape(keras.tree.flatten(y)[0])[0], self._step(*state), y)
        y, sample_weight = labels.mixed(self.mix, y, sample_weight, drawn)
        data = (x, y) if sample_weight is None else (x, y, sample_weight)
        with mixing_by(Mixing({key: k for k, key in enumerate(self._points)}, drawn)):
            return super().train_step(*state, data)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        mixing = current()
        if not training or not isinstance(mixing, Mixing):
            return self.model(inputs, training=training)
        if not self.model.built:
            with mixing_by(None):  # otherwise, Keras would call the points to build it
                self.model.compute_output_spec(inputs)
        mixing.begin()
        outputs = self._run(self._mixed_inputs(mixing, inputs), training=training)
        mixing.check_reached()
        return outputs

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        # Here, because Keras builds a model with a batch that is not mixed.
        self._check_loss()
        return super().compute_loss(x, labels.soft(self.mix, y), y_pred, *args, **kwargs)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return super().compute_metrics(x, labels.soft(self.mix, y), y_pred, sample_weight)

    def draw_plan(self, batch_size: int, step: int = 0) -> tuple[str, Plan]:
        """Return what the training step number `step` draws for a batch of this size.

        Args:
            batch_size: number of examples, on one replica.
            step: number of updates that the optimizer has counted before.

        Returns:
            The name of the layer at which the batch is mixed, and a `Plan` of NumPy arrays.
        """
        drawn = self._draw(batch_size, ops.convert_to_tensor(step, "int32"), None)
        lam, partner, layer = (ops.convert_to_numpy(value) for value in drawn)
        return self._points[int(layer)], Plan(partner, lam)

    def export(self, *args: Any, **kwargs: Any) -> Any:
        """Export `model`, which does no mixing; see `keras.Model.export`."""
        return self.model.export(*args, **kwargs)

    def _draw(self, size: Any, step: Any, y: Any) -> Draw:
        return draw(self.mix, len(self._points), self._key, step, replica(), size, y)

    def _step(self, state: Any = None) -> Any:
        """The number of updates, which `iterations` gives divided by that of accumulated steps."""
        variables = self.optimizer.variables
        # The one of the optimizer inside a LossScaleOptimizer comes last.
        (*_, place) = (k for k, variable in enumerate(variables) if variable.name == "iteration")
        return ops.convert_to_tensor(variables[place] if state is None else state[2][place])

    def _mixed_inputs(self, mixing: Mixing, x: Any) -> Any:
        values = dict(walk(x))
        masks = {path for path in values if self._is_named(self.masks, path)}
        united = {path: mixing.united(values[path]) for path in masks}
        mixed = {}
        if INPUT in self._points:
            kept = {path for path in values if self._is_named(self.mix.keep, path)} | masks
            mixed = mixing(INPUT, {path: values[path] for path in values if path not in kept})
        return fill(x, iter({**values, **united, **mixed}.values()))

    def _is_named(self, names: Sequence[str], path: str, tensor: Any = None) -> bool:
        """Whether an input is meant, by its path or, as Keras allows, by its own name."""
        if tensor is None:
            tensor = dict(self._named_inputs).get(path)
        own = getattr(tensor, "name", path)
        return any(named(name, "x", path) or named(name, "x", own) for name in names)

    def _check_inputs(self) -> None:
        """Raise an error for inputs that have no mixture, and masks that would be wrong."""
        inputs = self._named_inputs
        for name in self.masks:
            if not any(self._is_named((name,), path, tensor) for path, tensor in inputs):
                known = [path or tensor.name for path, tensor in inputs]
                _arguments.fail(
                    ValueError,
                    "`masks` must name inputs of a Functional model.",
                    f"Choose from {known}. In a subclassed model, pass the mask through the "
                    "MixPoint as a boolean: h, mask = point((h, mask)).",
                    masks=self.masks,
                )
        for path, tensor in inputs if INPUT in self._points else ():
            unmixed = self._is_named((*self.mix.keep, *self.masks), path, tensor)
            if not unmixed and not is_float(tensor):
                _arguments.fail(
                    ValueError,
                    "This input of the model takes integers or booleans, which have no mixture.",
                    'Give it dtype="float32": uint8 batches are still transferred as uint8. Or '
                    "list it in `keep`, or in `masks` of `wrap`, or mix at another layer.",
                    input=tensor.name,
                    dtype=dtype_of(tensor),
                )
        for point in self._points if inputs else ():
            made_of = {}
            for path, tensor in inputs:
                is_mask = self._is_named(self.masks, path, tensor)
                is_mixed = point == INPUT and not self._is_named(self.mix.keep, path, tensor)
                made_of[id(tensor)] = of_input(tensor, is_mask=is_mask, is_mixed=is_mixed)
            check_masks(self.model, point, made_of)

    def _check_keep(self, x: Any, y: Any) -> None:
        paths, outputs = [path for path, _ in walk(x)], [path for path, _ in walk(y)]
        for entry in self.mix.keep:
            inputs = any(self._is_named((entry,), path) for path in paths)
            if not inputs and not any(named(entry, "y", path) for path in outputs):
                _arguments.fail(
                    ValueError,
                    "Every name in `keep` must be the name of an entry of x or y.",
                    f"x has {paths}; y has {outputs}.",
                    keep=self.mix.keep,
                )

    def _check_loss(self) -> None:
        losses = keras.tree.flatten(self.loss)
        names = [loss if isinstance(loss, str) else type(loss).__name__ for loss in losses]
        sparse = [name for name in names if name.lower().startswith("sparse")]
        if sparse and not self.mix.keep:
            _arguments.fail(
                ValueError,
                "Mixed labels are soft, and this loss needs class ids.",
                'Use the categorical loss, such as "categorical_crossentropy"; labels of '
                "validation data may stay class ids.",
                loss=sparse,
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": keras.saving.serialize_keras_object(self.model),
            "mix": keras.saving.serialize_keras_object(self.mix),
            "masks": list(self.masks),
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MixedModel:
        """Create a model from the output of `get_config`."""
        load = functools.partial(
            keras.saving.deserialize_keras_object, custom_objects=custom_objects
        )
        return cls(**{**config, "model": load(config["model"]), "mix": load(config["mix"])})


def _key(seed: int | None) -> tuple[int, int]:
    if seed is None:
        words = keras.random.randint((2,), 0, 2**31 - 1)
        first, second = ops.convert_to_numpy(words).tolist()
    else:
        first, second = np.random.SeedSequence(seed % 2**64).generate_state(2).tolist()
    return first, second


def _named_inputs(model: Any) -> list[tuple[str, Any]]:
    """`(path, tensor)` for each input of a graph; empty for a model of its own class."""
    if not is_graph(model):
        return []
    return list(walk(model.inputs[0] if isinstance(model, keras.Sequential) else model.input))
