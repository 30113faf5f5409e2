"""
Title: Keras on JAX in two processes
Description: Data-parallel training across processes with `keras.distribution` and a stock `fit`.
Accelerator: None

Every process builds the same pipeline of global batches, including the mix, and Keras takes the
part of each batch that belongs to the process. The seed is therefore the same everywhere, and the
mixed batches are those of a single process.

    python keras_jax.py                   # two processes on this machine

On several machines, run one of these commands on each. The address is that of the machine that runs
process 0:

    python keras_jax.py --process 0 --coordinator A:5000
    python keras_jax.py --process 1 --coordinator A:5000
"""

import argparse
import os
import socket
import subprocess
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
PROCESSES = 2

"""
## The pipeline

Batches are global: each of the two processes trains on half of every batch. Keras must know the
size of every batch, so `drop_remainder=True` is required.
"""


def pipeline():
    import numpy as np
    import tensorflow as tf

    from keras_mixup import mixup

    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 250)
    x = (rng.normal(size=(250, 8)) + y[:, None]).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(250, seed=0).repeat()
    data = data.batch(16, drop_remainder=True)
    return data.apply(mixup(0.2, num_classes=4, seed=0).indexed())


"""
## One of the processes

`keras.distribution.initialize` must be called before anything else that uses JAX.
"""


def train(process, coordinator):
    import keras

    keras.distribution.initialize(coordinator, PROCESSES, process)
    import jax
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices())
    keras.distribution.set_distribution(distribution)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8,)), keras.layers.Dense(4, "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "categorical_crossentropy")
    history = model.fit(pipeline(), epochs=3, steps_per_epoch=15, shuffle=False, verbose=0).history

    equal = True
    mine = distribution.distribute_dataset(pipeline()).take(30).as_numpy_iterator()
    for share, expected in zip(mine, pipeline().as_numpy_iterator()):
        for part, whole in zip(share, expected):
            gathered = process_allgather(part).reshape(whole.shape)
            equal &= np.array_equal(gathered, whole)
    if process == 0:
        print(f"30 batches of {jax.process_count()} processes; ", end="")
        print(f"equal to those of one process: {equal}")
        print("loss per epoch:", np.round(history["loss"], 3).tolist())


def free_address():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{server.getsockname()[1]}"


def main():
    parser = argparse.ArgumentParser(description="Keras on JAX in two processes.")
    parser.add_argument("--process", type=int, choices=range(PROCESSES))
    parser.add_argument("--coordinator", default=free_address(), help="host:port")
    args = parser.parse_args()
    if args.process is not None:
        train(args.process, args.coordinator)
        return
    command = [sys.executable, __file__, "--coordinator", args.coordinator, "--process"]
    processes = [subprocess.Popen([*command, str(index)]) for index in range(PROCESSES)]
    try:
        sys.exit(max(process.wait() for process in processes))
    finally:
        for process in processes:
            process.kill()


if __name__ == "__main__":
    main()
