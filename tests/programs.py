"""Programs that the tests of several processes start: `python programs.py NAME ARGUMENTS`."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib
import json
import pathlib
import pickle
import socket
import subprocess
import sys

EXAMPLES = 96
SIZE = 4


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@contextlib.contextmanager
def started(*command, env=None, **kwargs):
    """A process of our own, killed by its id if it still runs at the end."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **(env or {})},
        **kwargs,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextlib.contextmanager
def program(name, *arguments, env=None):
    with started(pathlib.Path(__file__), name, *arguments, env=env) as process:
        yield process


def finish(process):
    """What a process printed, once it ended well.

    The limit ends a process that hangs; it is far from what one takes on a busy machine.
    """
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err[-3000:]
    return out


@contextlib.contextmanager
def service(workers=2):
    """The address of a tf.data service whose dispatcher and workers are processes."""
    port, *ports = [free_port() for _ in range(1 + workers)]
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(program("dispatcher", port, *ports))]
        servers += [stack.enter_context(program("worker", port, own)) for own in ports]
        for server in servers:
            assert server.stdout.readline() == "ready\n"
        yield f"grpc://127.0.0.1:{port}"


def write_records(folder, files=4):
    """TFRecord files whose records are the numbers of the examples; returns their names."""
    import numpy as np
    import tensorflow as tf

    names = [str(folder / f"{number}.tfrecord") for number in range(files)]
    for number, name in enumerate(names):
        with tf.io.TFRecordWriter(name) as writer:
            for example in range(number, EXAMPLES, files):
                writer.write(np.int64(example).tobytes())
    return names


def example(record):
    import tensorflow as tf

    number = tf.reshape(tf.io.decode_raw(record, tf.int64), [])
    return example_of(number)


def example_of(number):
    """The number itself, which no mix with alpha 0 changes, and a label of its own."""
    import tensorflow as tf

    return tf.cast(number, tf.float32)[tf.newaxis], number % SIZE


def sources(files):
    """Unbatched datasets of the same examples."""
    import numpy as np
    import tensorflow as tf

    dataset = tf.data.Dataset
    names = dataset.from_tensor_slices(files)
    numbers = np.arange(EXAMPLES)
    arrays = numbers[:, None].astype("float32"), numbers % SIZE
    return {
        "arrays": dataset.from_tensor_slices(arrays),
        "files": tf.data.TFRecordDataset(files).map(example),
        "interleaved": names.interleave(tf.data.TFRecordDataset).map(example),
        "parallel": names.interleave(tf.data.TFRecordDataset, num_parallel_calls=2).map(example),
    }


def dispatcher_server(port, workers):
    """Static sharding asks the dispatcher to know its workers beforehand."""
    import tensorflow as tf

    service = tf.data.experimental.service
    addresses = [f"127.0.0.1:{own}" for own in workers]
    return service.DispatchServer(
        service.DispatcherConfig(port=int(port), worker_addresses=addresses)
    )


def worker_server(port, own):
    import tensorflow as tf

    service = tf.data.experimental.service
    config = service.WorkerConfig(
        f"127.0.0.1:{port}",
        worker_address=f"127.0.0.1:{own}",
        port=int(own),
        heartbeat_interval_ms=100,
    )
    return service.WorkerServer(config)


def dispatcher(port, *workers):
    server = dispatcher_server(port, workers)
    print("ready", flush=True)
    server.join()


def worker(port, own):
    server = worker_server(port, own)
    print("ready", flush=True)
    server.join()


def multi_worker(folder):
    """One of the workers of a MultiWorkerMirroredStrategy; writes what it saw."""
    import numpy as np
    import tensorflow as tf

    from keras_mixup import mixup

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    task = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    files = sorted(str(path) for path in pathlib.Path(folder).glob("*.tfrecord"))
    policies = tf.data.experimental.AutoShardPolicy
    seen = {}
    for source, dataset in sources(files).items():
        for policy in (policies.AUTO, policies.DATA, policies.OFF):
            options = tf.data.Options()
            options.experimental_distribute.auto_shard_policy = policy
            mixed = dataset.batch(2 * SIZE, drop_remainder=True)
            mixed = mixed.apply(mixup(0.0, num_classes=SIZE, seed=1)).with_options(options)
            batches = strategy.experimental_distribute_dataset(mixed)
            values = [strategy.experimental_local_results(x)[0].numpy() for x, _ in batches]
            seen[source, policy.name] = [int(number) for number in np.concatenate(values)[:, 0]]

    # A step of one's own: least squares on mixed batches, gradients summed over the workers.
    data = sources(files)["arrays"].repeat().batch(2 * SIZE, drop_remainder=True)
    mixed = data.apply(mixup(1.0, num_classes=SIZE, seed=1).indexed())
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policies.DATA
    batches = iter(strategy.experimental_distribute_dataset(mixed.with_options(options)))
    with strategy.scope():
        weights = tf.Variable(tf.zeros([1, SIZE]), aggregation=tf.VariableAggregation.MEAN)

    @tf.function
    def step(x, y):
        def local(x, y):
            gradient = tf.matmul(x, tf.matmul(x, weights) - y, transpose_a=True)
            total = tf.distribute.get_replica_context().all_reduce("sum", gradient)
            weights.assign_sub(1e-5 * total)

        strategy.run(local, (x, y))

    shares = []
    for _ in range(12):
        x, y = next(batches)
        step(x, y)
        shares.append([strategy.experimental_local_results(part)[0].numpy() for part in (x, y)])
    result = {"seen": seen, "shares": shares, "weights": weights.numpy()}
    (pathlib.Path(folder) / f"{task}.pickle").write_bytes(pickle.dumps(result))


def mirrored():
    """The rows that two replicas in one process get of a batch with clean and mixed twins."""
    import numpy as np
    import tensorflow as tf

    from keras_mixup import mixup, regmixup

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    x = np.eye(EXAMPLES, dtype="float32")[:, None, :]
    data = tf.data.Dataset.from_tensor_slices((x, np.arange(EXAMPLES) % SIZE)).batch(2 * SIZE)
    clean = []
    for rows, _ in strategy.experimental_distribute_dataset(data.apply(regmixup(num_classes=SIZE))):
        replicas = strategy.experimental_local_results(rows)
        clean.append([((replica.numpy().max((1, 2)) == 1).tolist()) for replica in replicas])
    mix = mixup(1.0, num_classes=SIZE, seed=1)
    alone = [y.numpy() for _, y in data.apply(mix)]
    both = []
    for _, y in strategy.experimental_distribute_dataset(data.apply(mix)):
        both.append(np.concatenate(strategy.experimental_local_results(y)))
    same = all(np.array_equal(a, b) for a, b in zip(alone, both, strict=True))
    print(json.dumps({"clean": clean, "same": same}))


RESUME_STEPS, RESUME_EPOCHS = 4, 15


def resume_data(step=0, count=30, size=8):
    """Batches `step` and later of a training, in another order for every epoch of the data."""
    import numpy as np
    import tensorflow as tf

    from keras_mixup import mixup

    x = np.random.default_rng(0).normal(size=(count, 3)).astype("float32")

    def example(position):
        key = [tf.constant(1, tf.int64), position // count]
        number = tf.random.experimental.index_shuffle(position % count, key, count - 1)
        return tf.gather(x, number), number % SIZE

    data = tf.data.Dataset.range(step * size, 2**63 - 1).map(example).batch(size).repeat()
    return data.apply(mixup(1.0, num_classes=SIZE, seed=2).indexed(start=step))


def train(folder, batches):
    """Train to the end, from the last backup on; writes all weights and what the model saw.

    The process is killed at any moment soon after it has seen so many batches.
    """
    import random
    import signal

    import keras
    import numpy as np

    from keras_mixup import callbacks

    class Trace(keras.layers.Layer):
        """Remembers the first row of every batch that the model was trained on."""

        def build(self, shape):
            total, arguments = RESUME_STEPS * RESUME_EPOCHS, {"trainable": False}
            self.seen = self.add_weight((total, 3), "zeros", **arguments)
            self.count = self.add_weight((), "zeros", "int32", **arguments)

        def call(self, x, training=False):
            if training:
                seen, count = map(keras.ops.convert_to_tensor, (self.seen, self.count))
                here = keras.ops.arange(self.seen.shape[0])[:, None] == count
                self.seen.assign(keras.ops.where(here, x[0], seen))
                self.count.assign_add(1)
            return x

    def end(*_, **__):
        if next(left) == 0:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.02))

    keras.utils.set_random_seed(os.getpid())
    # PyTorch's Dropout draws from PyTorch's global generator.
    rate = 0 if keras.backend.backend() == "torch" else 0.5
    dense = keras.layers.Dense(SIZE, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
    model = keras.Sequential(
        [keras.Input((3,)), Trace(), keras.layers.Dropout(rate, seed=3), dense]
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    backup = callbacks.BackupAndResume(folder / "backup")
    step, left = backup.resume(model), iter(range(batches, -(10**6), -1))
    print(json.dumps({"start": step})[:-1], end="", flush=True)
    model.fit(
        resume_data(step),
        epochs=RESUME_EPOCHS,
        steps_per_epoch=RESUME_STEPS,
        initial_epoch=step // RESUME_STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_batch_end=end),
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            backup,
        ],
    )
    weights = [keras.ops.convert_to_numpy(variable) for variable in model.weights]
    np.savez(folder / "weights.npz", *weights)


def resume(folder, kills):
    """Train without a stop, and once more in processes that are killed some steps after a start.

    They are forked before TensorFlow has done anything: its import takes longer than the training.
    """
    import keras  # noqa: F401

    import keras_mixup  # noqa: F401

    for run in ["whole", *["killed"] * (int(kills) + 1)]:
        folder_of_run = pathlib.Path(folder) / run
        folder_of_run.mkdir(exist_ok=True)
        last = run == "whole" or (kills := int(kills) - 1) < 0
        process = os.fork()
        if not process:
            code = 1
            try:
                train(folder_of_run, 10**6 if last else RESUME_STEPS)
                code = 0
            finally:
                os._exit(code)
        print(f', "status": {os.waitpid(process, 0)[1]}}}', flush=True)


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    globals()[name](*arguments)
