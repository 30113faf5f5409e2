"""`get_config` / `from_config` for the frozen dataclasses a mix is composed of."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from typing_extensions import Self


class Configurable:
    """Makes a dataclass readable and writable by `keras.saving`, and so by JSON.

    ```python
    config = keras.saving.serialize_keras_object(mixup(0.2, num_classes=10, seed=0))
    mix = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    ```
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        keras.saving.register_keras_serializable(package="keras_mixup")(cls)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, nested parts serialised by Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The object that `get_config` described."""
        return cls(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )
