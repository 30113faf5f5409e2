"""What a model cannot mix, and which models cannot be wrapped."""

from __future__ import annotations

from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._in_model.draw import check_parts
from keras_mixup._in_model.graph import is_graph
from keras_mixup._in_model.labels import check_label
from keras_mixup.blend import Linear

# What Keras's classes of models do beside being layers: compile, fit, train_step, ...
_TRAINERS = [
    cls
    for cls in keras.Model.__mro__
    if cls is not keras.Model and not issubclass(keras.layers.Layer, cls)
]
# What a layer does that training looks at, and that would be looked for in the wrapper instead.
_OF_LAYERS = {"add_loss", "losses", "stateless_call", "trainable_variables", "trainable_weights"}


def check_mix(mix: Any) -> None:
    """Raise an error for a mix that only a pipeline can make."""
    parts = mix.parts
    only = {
        "made_of": mix.made_of,
        "blend": None if isinstance(mix.blend, Linear) else mix.blend,
        "pairing": mix.pairing if getattr(mix.pairing, "zipped", False) else None,
        "bounding_box_format": mix.bounding_box_format,
        "dtype": getattr(mix.blend, "dtype", None),
    }
    for name, value in only.items():
        if value not in (None, "float32"):
            _arguments.fail(
                ValueError,
                "A model mixes linearly, the examples of a batch with one another: it takes no "
                "choices, clean twins, other blends, pairs or boxes, and returns float32.",
                "Mix in the pipeline: ds.apply(mix) takes them. A `dtype` can be removed.",
                **{name: value},
            )
    check_parts(mix)
    check_label(parts["label"])


def check_class(model: keras.Model) -> None:
    """Raise an error if the class of the model trains in a way that would not be used."""
    cls = type(model)
    base = next(c for c in cls.__mro__ if c.__module__.split(".")[0] == "keras")
    names = {name for trainer in _TRAINERS for name in vars(trainer)} | _OF_LAYERS
    own = sorted(
        name
        for name in names
        if not name.startswith("_") and getattr(cls, name, None) is not getattr(base, name, None)
    )
    if own:
        graph = is_graph(model) and hasattr(model, "input")
        todo = "Wrap keras.Model(model.input, model.output), or mix" if graph else "Mix"
        first = "Apply its preprocessor in the pipeline. " if hasattr(model, "preprocessor") else ""
        _arguments.fail(
            ValueError,
            "A wrapped model is trained by what keras.Model does, and what the class of this model "
            "does instead would not be used.",
            f"{first}{todo} in the pipeline, with ds.apply(mix).",
            model=cls.__name__,
            overrides=own,
        )
