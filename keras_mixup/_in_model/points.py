"""Points in a model where mixing may happen."""

from __future__ import annotations

from typing import Any

import keras

from keras_mixup._in_model.plan import current


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixPoint(keras.layers.Layer):
    """A place in a model where mixing may happen.

    It is for subclassed models, whose layers `Mix.wrap` cannot see. Call a `MixPoint` wherever a
    batch may be mixed, and include its name in the `layers` of `manifold_mixup`. Outside of a
    wrapped model, and for plain inputs, it returns its inputs.

    Args:
        name: the name by which the mix refers to this point.

    Call arguments:
        inputs: a tensor `[B, ...]`, or a structure of such tensors. Floats are mixed. Booleans are
            masks and are united: the mixture has the steps that either example has.

    Returns:
        The same structure, with the same shapes and dtypes.

    Raises:
        ValueError: in a wrapped model, if a tensor has another dtype or no batch axis, or if the
            point is called several times, or in a function that is compiled or rematerialized on
            its own.

    Example:
        >>> class Network(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = keras.layers.Dense(8, "relu")
        ...         self.after_hidden = MixPoint("after_hidden")
        ...         self.head = keras.layers.Dense(10)
        ...
        ...     def call(self, x):
        ...         return self.head(self.after_hidden(self.hidden(x)))
        >>> mixed = manifold_mixup(layers=("input", "after_hidden")).wrap(Network())
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, autocast=False, **kwargs)
        self.supports_masking = True
        self.built = True

    @property
    def key(self) -> str:
        """The name by which the plan refers to this point."""
        return str(self.name)

    def call(self, inputs: Any) -> Any:
        mixing = current()
        return inputs if mixing is None else mixing(self.key, inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        # This must be a layer, because Functional models compute masks, like tensors, in a graph.
        if all(mask is None for mask in keras.tree.flatten(previous_mask)):
            return previous_mask
        return MaskPoint(self.key)(previous_mask)

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        return layer_call  # it would run again when no plan is there, and has nothing to save


class InsertedPoint(MixPoint):
    """A point that `Mix.wrap` inserts, which the plan refers to by the path of a layer."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key.replace('/', '_')}_mix_point")
        self._key = key

    @property
    def key(self) -> str:
        return self._key


class MaskPoint(keras.layers.Layer):
    """What the point with this key does to the masks of the tensors that it mixes."""

    def __init__(self, key: str) -> None:
        super().__init__(autocast=False)
        self._key = key
        self.built = True

    def call(self, mask: Any) -> Any:
        mixing = current()
        return mask if mixing is None else mixing.mask(self._key, mask)
