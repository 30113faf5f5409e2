"""
Title: Mixed batches from a tf.data service
Description: A dispatcher and two workers load and mix batches for one trainer.
Accelerator: None

The workers share the batches: each loads and mixes every other one, and the trainer takes them as
they arrive. With a seed, `map(mix)` mixes a batch in the same way wherever it runs, so the mixed
batches are those of a single process, in a different order.

    python tf_data_service.py             # all four processes on this machine

On several machines, run one of these commands on each, with the same addresses everywhere:

    python tf_data_service.py --role dispatcher --dispatcher A:5000 --workers B:5001 C:5001
    python tf_data_service.py --role worker0    --dispatcher A:5000 --workers B:5001 C:5001
    python tf_data_service.py --role worker1    --dispatcher A:5000 --workers B:5001 C:5001
    python tf_data_service.py --role trainer    --dispatcher A:5000 --workers B:5001 C:5001
"""

import argparse
import os
import socket
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import mixup

EXAMPLES, BATCH, CLASSES = 256, 16, 4
HINT = tf.data.experimental.SHARD_HINT
service = tf.data.experimental.service

"""
## The pipeline

`shard(HINT, HINT)` marks where the service divides the data: here between batches, before anything
is loaded. In a single process, it is left out. Replace `load` with your own reading and decoding.
"""


def load(numbers):
    noise = tf.map_fn(
        lambda number: tf.random.stateless_normal([8, 8, 1], [0, number]),
        numbers,
        fn_output_signature=tf.float32,
    )
    labels = numbers % CLASSES
    return noise + tf.reshape(tf.cast(labels, tf.float32), [-1, 1, 1, 1]), labels


def batches(shared):
    data = tf.data.Dataset.range(EXAMPLES).shuffle(EXAMPLES, seed=0).batch(BATCH)
    if shared:
        data = data.shard(HINT, HINT)
    return data.map(load).map(mixup(0.2, num_classes=CLASSES, seed=0))


"""
## The trainer
"""


def in_any_order(dataset):
    return sorted(x.tobytes() + y.tobytes() for x, y in dataset.as_numpy_iterator())


def train(dispatcher):
    distribute = service.distribute(service.ShardingPolicy.HINT, f"grpc://{dispatcher}")
    data = batches(shared=True).apply(distribute)
    # The service does not know how many batches there are.
    data = data.apply(tf.data.experimental.assert_cardinality(EXAMPLES // BATCH))
    found, expected = in_any_order(data), in_any_order(batches(shared=False))
    print(f"{len(found)} batches of two workers; equal to those of one process: ", end="")
    print(found == expected)

    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES, "softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", "categorical_crossentropy")
    history = model.fit(data, epochs=3, shuffle=False, verbose=0).history
    print("loss per epoch:", np.round(history["loss"], 3).tolist())


"""
## The servers

To divide the data by a hint, the dispatcher must know its workers in advance.
"""


def serve(role, dispatcher, workers):
    if role == "dispatcher":
        port = int(dispatcher.split(":")[1])
        config = service.DispatcherConfig(port=port, worker_addresses=workers)
        return service.DispatchServer(config)
    address = workers[int(role.removeprefix("worker"))]
    port = int(address.split(":")[1])
    return service.WorkerServer(service.WorkerConfig(dispatcher, worker_address=address, port=port))


def free_address():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{server.getsockname()[1]}"


def main():
    parser = argparse.ArgumentParser(description="Mixed batches from a tf.data service.")
    parser.add_argument("--role", choices=["dispatcher", "worker0", "worker1", "trainer"])
    parser.add_argument("--dispatcher", default=free_address(), help="host:port")
    parser.add_argument("--workers", nargs=2, default=[free_address(), free_address()])
    args = parser.parse_args()
    if args.role == "trainer":
        train(args.dispatcher)
    elif args.role:
        serve(args.role, args.dispatcher, args.workers).join()
    else:
        addresses = ["--dispatcher", args.dispatcher, "--workers", *args.workers]
        command = [sys.executable, __file__, *addresses, "--role"]
        roles = ["dispatcher", "worker0", "worker1", "trainer"]
        *servers, trainer = [subprocess.Popen([*command, role]) for role in roles]
        try:
            sys.exit(trainer.wait())
        finally:
            for process in [trainer, *servers]:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
