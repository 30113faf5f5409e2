"""
Title: PyTorch's DistributedDataParallel with two ranks
Description: A Keras model in a PyTorch training loop, where each rank has its own batches.
Accelerator: None

Each rank takes every other batch, and `indexed` tells the mix which ones these are: batch k of rank
r is batch `r + k * ranks` of the training. The mixed batches are therefore those of a single
process.

    python pytorch_ddp.py                 # two ranks on this machine

On several machines, run one of these commands on each. The address is that of the machine that runs
rank 0:

    python pytorch_ddp.py --rank 0 --address A:5000
    python pytorch_ddp.py --rank 1 --address A:5000
"""

import argparse
import os
import socket
import subprocess
import sys

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
RANKS, STEPS = 2, 40

"""
## The pipeline

All ranks shuffle in the same way, with the same seed, and then take turns. With `ranks=1`, this is
the pipeline of a single process.
"""


def pipeline(rank=0, ranks=1):
    import numpy as np
    import tensorflow as tf

    from keras_mixup import mixup

    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 250)
    x = (rng.normal(size=(250, 8)) + y[:, None]).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(250, seed=0).repeat().batch(16)
    mix = mixup(0.2, num_classes=4, seed=0)
    return data.shard(ranks, rank).apply(mix.indexed(start=rank, stride=ranks))


"""
## One of the ranks
"""


def train(rank, address):
    import keras
    import numpy as np
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"tcp://{address}", rank=rank, world_size=RANKS)
    torch.manual_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    replica = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.Adam(replica.parameters(), 0.01)

    losses, equal = [], True
    alone = pipeline().as_numpy_iterator()
    for x, y in pipeline(rank, RANKS).take(STEPS).as_numpy_iterator():
        x, y = torch.tensor(x), torch.tensor(y)
        loss = torch.nn.functional.cross_entropy(replica(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

        turn = [next(alone) for _ in range(RANKS)]
        for part, expected in zip((x, y), zip(*turn)):
            shares = [torch.zeros_like(part) for _ in range(RANKS)]
            dist.all_gather(shares, part)
            equal &= np.array_equal([share.numpy() for share in shares], expected)
    if rank == 0:
        print(f"{RANKS * STEPS} batches of {RANKS} ranks; equal to those of one process: {equal}")
        print(f"loss: {losses[0]:.3f} in the first step, {losses[-1]:.3f} in the last")
    dist.destroy_process_group()


def free_address():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{server.getsockname()[1]}"


def main():
    parser = argparse.ArgumentParser(description="PyTorch DDP with two ranks.")
    parser.add_argument("--rank", type=int, choices=range(RANKS))
    parser.add_argument("--address", default=free_address(), help="host:port")
    args = parser.parse_args()
    if args.rank is not None:
        train(args.rank, args.address)
        return
    command = [sys.executable, __file__, "--address", args.address, "--rank"]
    processes = [subprocess.Popen([*command, str(rank)]) for rank in range(RANKS)]
    try:
        sys.exit(max(process.wait() for process in processes))
    finally:
        for process in processes:
            process.kill()


if __name__ == "__main__":
    main()
