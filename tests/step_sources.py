"""Trains a wrapped model from every source of data that `fit` takes: the weights are the same.

Usage: KERAS_BACKEND=... python step_sources.py FOLDER
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from step_checks import CLASSES, normal

from keras_mixup import manifold_mixup

L = keras.layers
COUNT, BATCH = 56, 16  # the last batch is smaller
X = normal(COUNT, 4, 4, 1)
Y = np.arange(COUNT) * 7 % CLASSES


def arrays():
    return {"x": X, "y": Y, "batch_size": BATCH}


def tf_data():
    return {"x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)}


def tfds():
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Tensor(shape=(4, 4, 1), dtype=tf.float32), "label": tf.int64}
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        "squares",
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": tf.data.Dataset.from_tensor_slices({"image": X, "label": Y})},
        data_dir=sys.argv[1],
        disable_shuffling=True,
    )
    dataset = builder.as_dataset(split="train", shuffle_files=False)
    return {"x": dataset.map(lambda e: (e["image"], e["label"])).batch(BATCH)}


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return -(-COUNT // BATCH)

    def __getitem__(self, index):
        rows = slice(BATCH * index, BATCH * (index + 1))
        return X[rows], Y[rows]


def py_dataset():
    return {"x": Batches(workers=2, use_multiprocessing=False)}


def generator():
    batches = Batches()
    return {"x": (batches[index] for index in range(len(batches)))}


def torch_loader():
    import torch

    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    workers = {"num_workers": 2, "multiprocessing_context": "spawn"}
    return {"x": torch.utils.data.DataLoader(data, batch_size=BATCH, **workers)}


def grain_dataset():
    import grain
    from absl import flags

    flags.FLAGS.mark_as_parsed()  # Grain's workers read their settings from flags
    pairs = grain.MapDataset.range(COUNT).map(lambda k: (X[k], Y[k])).to_iter_dataset()
    # Each worker makes batches of its own part of the data.
    options = grain.MultiprocessingOptions(num_workers=1)
    return {"x": pairs.batch(BATCH).mp_prefetch(options)}


def image_data_generator():
    return {"x": tf.keras.preprocessing.image.ImageDataGenerator().flow(X, Y, BATCH, shuffle=False)}


SOURCES = [
    arrays,
    tf_data,
    tfds,
    py_dataset,
    generator,
    torch_loader,
    grain_dataset,
    image_data_generator,
]


def trained(source):
    keras.utils.set_random_seed(0)
    layers = [L.Flatten(), L.Dense(8, "relu", name="first"), L.Dense(CLASSES, "softmax")]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    mix = manifold_mixup(layers=("input", "first"), num_classes=CLASSES, seed=0)
    mixed = mix.wrap(model)
    mixed.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", metrics=["accuracy"])
    mixed.evaluate(
        X, Y, verbose=0
    )  # where Keras has yet to build, it takes a batch of some sources
    mixed.fit(**source(), shuffle=False, validation_data=(X, Y), verbose=0)
    return model.get_weights()


if __name__ == "__main__":
    expected = trained(arrays)
    for source in SOURCES[1:]:
        for one, other in zip(trained(source), expected):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=source.__name__)
        print(keras.backend.backend(), source.__name__, "ok", flush=True)
