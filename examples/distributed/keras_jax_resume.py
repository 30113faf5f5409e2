"""
Title: Keras on JAX in two processes, killed and resumed
Description: `keras.callbacks.OrbaxCheckpoint` saves the model, and `indexed` resumes the mix.
Accelerator: None

`OrbaxCheckpoint` coordinates the processes: all of them save a checkpoint together, and load it
together. The number of batches that the model was trained on is `optimizer.iterations`, and the
pipeline of every process starts there. Requires `jax` and `orbax-checkpoint`.

    python keras_jax_resume.py            # two processes on this machine, killed twice

On several machines, run one of these commands on each, with a folder that all of them share. Run
them again after a crash:

    python keras_jax_resume.py --process 0 --coordinator A:5000 --folder /shared/run
    python keras_jax_resume.py --process 1 --coordinator A:5000 --folder /shared/run
"""

import argparse
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
PROCESSES, EPOCHS, STEPS = 2, 6, 10

"""
## The pipeline

Batches are global, and the same in every process, as in `keras_jax.py`. The order of the examples
is computed from their position in the training run, so that the pipeline can start at any step. A
seeded `shuffle` with `skip` would not do: Keras looks at a batch first, and then the order differs.
"""


def pipeline(step):
    import numpy as np
    import tensorflow as tf

    from keras_mixup import mixup

    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 250)
    x = (rng.normal(size=(250, 8)) + y[:, None]).astype("float32")

    def example(position):
        key = [tf.constant(0, tf.int64), position // len(x)]  # a seed, and the epoch
        number = tf.random.experimental.index_shuffle(position % len(x), key, len(x) - 1)
        return tf.gather(x, number), tf.gather(y, number)

    data = tf.data.Dataset.range(step * 16, 2**63 - 1).map(example)
    data = data.batch(16, drop_remainder=True).repeat()
    return data.apply(mixup(0.2, num_classes=4, seed=0).indexed(start=step))


"""
## One of the processes

`load_weights` also restores the optimizer, if it is built, and the seeds of `Dropout`. Orbax writes
a checkpoint under a temporary name, and renames it when it is complete.
"""


def train(process, coordinator, folder):
    import keras

    keras.distribution.initialize(coordinator, PROCESSES, process)
    import numpy as np

    distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices())
    keras.distribution.set_distribution(distribution)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(4, "softmax")])
    model.compile("adam", "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)

    checkpoints = pathlib.Path(folder).resolve() / "checkpoints"
    save = keras.callbacks.OrbaxCheckpoint(str(checkpoints))
    if any(path.name.isdigit() for path in checkpoints.glob("*")):
        model.load_weights(checkpoints)
    step = int(model.optimizer.iterations)

    count = iter(range(step + 1, EPOCHS * STEPS + 1))
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: print("step", next(count), flush=True)
    )
    model.fit(
        pipeline(step),
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        initial_epoch=step // STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[save, tell],
    )
    state = [*model.variables, *model.optimizer.variables]
    arrays = [keras.ops.convert_to_numpy(variable) for variable in state]
    np.savez(pathlib.Path(folder) / f"{process}.npz", *arrays)


"""
## Two processes that are killed

Both are killed by SIGKILL as soon as the first one has trained a given number of steps, and started
again. The weights, the state of the optimizer and the seeds are then compared with those of a run
that was not killed.
"""


def free_address():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{server.getsockname()[1]}"


def run(folder, kill_at=None):
    """Start both processes, and return the steps of the first one."""
    command = [sys.executable, __file__, "--coordinator", free_address(), "--folder", folder]
    processes = [
        subprocess.Popen([*command, "--process", str(index)], stdout=subprocess.PIPE, text=True)
        for index in range(PROCESSES)
    ]
    steps = []
    try:
        for line in processes[0].stdout:
            if line.startswith("step "):
                steps.append(int(line.split()[1]))
            if kill_at in steps:
                break
        else:
            if any(process.wait() for process in processes):
                sys.exit("A process failed.")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return steps


def demonstrate():
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        whole, killed = os.path.join(folder, "whole"), os.path.join(folder, "killed")
        os.mkdir(whole), os.mkdir(killed)
        run(whole)
        starts = [run(killed, kill_at)[0] for kill_at in (27, 44, None)]
        equal = True
        for process in range(PROCESSES):
            found, expected = (np.load(f"{run}/{process}.npz") for run in (killed, whole))
            equal &= all(np.array_equal(found[name], expected[name]) for name in expected.files)
    print(f"{PROCESSES} processes, started at the steps {starts}; ", end="")
    print(f"equal to a run without a kill: {equal}")


def main():
    parser = argparse.ArgumentParser(description="Two processes, killed and resumed.")
    parser.add_argument("--process", type=int, choices=range(PROCESSES))
    parser.add_argument("--coordinator", default=free_address(), help="host:port")
    parser.add_argument("--folder", default=".", help="a folder that all processes share")
    args = parser.parse_args()
    if args.process is None:
        demonstrate()
    else:
        train(args.process, args.coordinator, args.folder)


if __name__ == "__main__":
    main()
