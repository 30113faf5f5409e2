"""Mixed batches in several processes: nothing lost, nothing drawn twice, nothing left running."""

import contextlib
import copy
import json
import multiprocessing
import os
import pathlib
import pickle
import signal

import numpy as np
import pytest
import tensorflow as tf
from programs import (
    EXAMPLES,
    SIZE,
    dispatcher_server,
    example_of,
    finish,
    free_port,
    program,
    service,
    sources,
    started,
    worker_server,
    write_records,
)

from keras_mixup import mixup, shuffled_pairs

ROOT = pathlib.Path(__file__).parent.parent
SERVICE = tf.data.experimental.service


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def address():
    """A tf.data service of two workers in this process."""
    port, *ports = [free_port() for _ in range(3)]
    servers = [dispatcher_server(port, ports), *(worker_server(port, own) for own in ports)]
    yield f"grpc://127.0.0.1:{port}"
    for server in reversed(servers):
        server._stop()


def shared(address, policy, dataset):
    mode = getattr(SERVICE.ShardingPolicy, policy)
    return dataset.apply(SERVICE.distribute(mode, address))


def off(seed=1):
    """A mix that changes no input: what comes out of the pipeline is what went in."""
    return mixup(0.0, num_classes=SIZE, seed=seed)


USES = {
    "apply": lambda data: data.batch(SIZE).apply(off()),
    "indexed": lambda data: data.batch(SIZE).apply(off().indexed()),
    "map": lambda data: data.batch(SIZE).map(off()),
    "pairs": lambda data: data.apply(shuffled_pairs(9, seed=1)).batch(SIZE).apply(off()),
}
SOURCES = [
    "arrays",
    "files",
    pytest.param("interleaved", marks=pytest.mark.slow),
    pytest.param("parallel", marks=pytest.mark.slow),
]


def numbers(dataset):
    return sorted(int(number) for x, _ in dataset for number in x.numpy()[:, 0])


ONCE, TWICE = list(range(EXAMPLES)), sorted([*range(EXAMPLES)] * 2)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("source", SOURCES)
def test_sharding_loses_nothing(address, files, source, use):
    data = USES[use](sources(files)[source])
    for policy, expected in (("FILE_OR_DATA", ONCE), ("DATA", ONCE), ("OFF", TWICE)):
        assert numbers(shared(address, policy, data)) == expected


@pytest.mark.parametrize("source", ["files", "interleaved", "parallel"])
def test_map_can_be_sharded_by_files(address, files, source):
    data = USES["map"](sources(files)[source])
    assert numbers(shared(address, "FILE", data)) == ONCE


@pytest.fixture(scope="module")
def tfds_numbers(tmp_path_factory):
    """A dataset of TensorFlow Datasets, whose class a process can define but once."""
    tfds = pytest.importorskip("tensorflow_datasets")

    class Numbers(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"number": tfds.features.Scalar(np.int64)})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from ((number, {"number": number}) for number in range(EXAMPLES))

    builder = Numbers(data_dir=tmp_path_factory.mktemp("tfds"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=4))
    return builder


@pytest.mark.parametrize("shuffle_files", [False, True])
def test_sharding_loses_nothing_of_tfds(address, tfds_numbers, shuffle_files):
    tfds = pytest.importorskip("tensorflow_datasets")
    # Sharding by elements asks every worker for the same order of files.
    read = tfds.ReadConfig(shuffle_seed=1)
    read.options.deterministic = True
    data = tfds_numbers.as_dataset(split="train", shuffle_files=shuffle_files, read_config=read)
    data = data.map(lambda row: example_of(row["number"])).batch(SIZE).apply(off())
    for policy in ("FILE_OR_DATA", "DATA"):
        assert numbers(shared(address, policy, data)) == ONCE


def same_batches(count, size=SIZE, start=0):
    """Batches of equal contents, and so of equal draws where only contents count."""
    x = np.arange(start, start + size, dtype="float32")[:, None]
    return tf.data.Dataset.from_tensors((x, np.arange(size) % SIZE)).repeat(count)


def draws(dataset):
    return [y.numpy().tobytes() for _, y in dataset]


@pytest.mark.parametrize("use", ["apply", "map"])
def test_a_service_without_a_seed_draws_anew_for_every_batch(address, use):
    """Every worker holds all data, of which all batches are alike."""
    mixed = getattr(same_batches(12), use)(mixup(1.0, num_classes=SIZE))
    data = shared(address, "OFF", mixed)
    found = draws(data) + draws(data)
    assert len(found) == len(set(found)) == 48


SUBSTREAMS = {
    "interleave": lambda data, make: data.interleave(make, cycle_length=3),
    "parallel": lambda data, make: data.interleave(make, cycle_length=3, num_parallel_calls=3),
    "flat_map": lambda data, make: data.flat_map(make),
}


def substreams(mix):
    x = np.arange(SIZE, dtype="float32")[:, None]

    def make(number):
        batch = x + tf.cast(number, tf.float32), np.arange(SIZE)
        return tf.data.Dataset.from_tensors(batch).repeat(4).apply(mix)

    return make


@pytest.mark.parametrize("way", SUBSTREAMS)
@pytest.mark.parametrize("seed", [None, 3])
def test_substreams_draw_apart(way, seed):
    make = substreams(mixup(1.0, num_classes=SIZE, seed=seed))
    data = SUBSTREAMS[way](tf.data.Dataset.range(3), make)
    assert len(set(draws(data))) == 12
    if seed is not None:
        assert draws(data) == draws(data)


def test_substreams_draw_apart_under_a_global_seed():
    tf.random.set_seed(5)
    try:
        make = substreams(mixup(1.0, num_classes=SIZE))
        assert len(set(draws(tf.data.Dataset.range(3).flat_map(make)))) == 12
    finally:
        tf.compat.v1.random.set_random_seed(None)


def test_substreams_cannot_be_numbered():
    make = substreams(mixup(seed=3, num_classes=SIZE).indexed(start=7))
    with pytest.raises(ValueError, match=r"Apply the mix.*interleave or flat_map returns.*start=7"):
        tf.data.Dataset.range(3).flat_map(make)


def used_mix():
    mix = mixup(1.0, num_classes=SIZE, seed=3)
    list(same_batches(2).apply(mix))
    list(same_batches(2).map(mix))
    x, y = next(iter(same_batches(1)))
    mix(x, y)
    return mix


@pytest.mark.parametrize("way", ["pickle", "cloudpickle", "copy"])
def test_a_used_mix_can_be_copied(way):
    module = pytest.importorskip(way)

    def copied(value):
        return copy.deepcopy(value) if way == "copy" else module.loads(module.dumps(value))

    mix = used_mix()
    assert copied(mix) == mix
    for one in (mix, mix.indexed(start=2, stride=3)):
        assert draws(same_batches(3).apply(copied(one))) == draws(same_batches(3).apply(one))
    assert draws(same_batches(3).map(copied(mix))) == draws(same_batches(3).map(mix))


def in_another_process(mix):
    return draws(same_batches(3).apply(mix)), draws(same_batches(3).map(mix))


@pytest.mark.slow
def test_a_spawned_process_draws_the_same():
    mix = used_mix()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(in_another_process, (mix,)) == in_another_process(mix)


@pytest.mark.slow
def test_a_service_of_processes(files):
    """A dispatcher and two workers, each a process."""
    seeded, fresh = mixup(1.0, num_classes=SIZE, seed=3), mixup(1.0, num_classes=SIZE)
    data = sources(files)["parallel"].batch(SIZE)
    with service() as address:
        for policy, expected in (("FILE_OR_DATA", ONCE), ("DYNAMIC", ONCE), ("OFF", TWICE)):
            for name, use in USES.items():
                if (policy, name) == ("DYNAMIC", "pairs"):
                    continue  # both streams are split, each in its own way, and the zip is short
                mixed = use(sources(files)["parallel"])
                assert numbers(shared(address, policy, mixed)) == expected, (policy, name)

        # Without a seed every worker, batch and epoch draws anew.
        for mixed in (same_batches(12).apply(fresh), same_batches(12).map(fresh)):
            remote = shared(address, "OFF", mixed)
            everything = draws(remote) + draws(remote)
            assert len(everything) == len(set(everything)) == 48
        # With one, a map draws the same before and behind the service.
        in_turn = sorted(draws(data.map(seeded)))
        assert sorted(draws(shared(address, "OFF", data.map(seeded)))) == sorted(in_turn * 2)
        assert sorted(draws(shared(address, "OFF", data).map(seeded))) == sorted(in_turn * 2)
        # Behind it, batches are numbered as they arrive.
        alike = same_batches(12)
        behind = draws(shared(address, "OFF", alike).apply(seeded.indexed()))
        assert behind == draws(alike.repeat(2).apply(seeded.indexed()))
        # Before it, workers that hold the same data draw the same.
        before = draws(shared(address, "OFF", alike.apply(seeded)))
        assert sorted(before) == sorted(draws(alike.apply(seeded)) * 2)


@pytest.mark.slow
def test_several_workers_under_a_strategy(files, tmp_path):
    """MultiWorkerMirroredStrategy, with a step of one's own: Keras 3 does not support it."""
    for name in files:
        os.link(name, tmp_path / os.path.basename(name))
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    with contextlib.ExitStack() as stack:
        workers = []
        for index in range(2):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            env = {"TF_CONFIG": json.dumps(config)}
            workers.append(stack.enter_context(program("multi_worker", tmp_path, env=env)))
        for worker in workers:
            finish(worker)
    found = [pickle.loads((tmp_path / f"{index}.pickle").read_bytes()) for index in range(2)]
    for key, seen in found[0]["seen"].items():
        times = 2 if key[1] == "OFF" else 1
        assert sorted(seen + found[1]["seen"][key]) == sorted([*range(EXAMPLES)] * times), key

    # One process, the same global batches, the same steps.
    data = sources(files)["arrays"].repeat().batch(2 * SIZE, drop_remainder=True)
    mixed = data.apply(mixup(1.0, num_classes=SIZE, seed=1).indexed()).take(12)
    weights = np.zeros([1, SIZE], "float32")
    for step, (x, y) in enumerate(mixed.as_numpy_iterator()):
        shares = [result["shares"][step] for result in found]
        np.testing.assert_array_equal(np.concatenate([share[0] for share in shares]), x)
        np.testing.assert_array_equal(np.concatenate([share[1] for share in shares]), y)
        weights -= np.float32(1e-5) * x.T @ (x @ weights - y)
    for result in found:
        # Sums in another order.
        np.testing.assert_allclose(result["weights"], weights, rtol=1e-4)


@pytest.mark.slow
def test_replicas_in_one_process():
    """Each gets clean rows and mixed ones, and draws are those without a strategy."""
    with program("mirrored") as process:
        result = json.loads(finish(process))
    assert result["same"]
    for replicas in result["clean"]:
        for rows in replicas:
            assert len(rows) == 2 * SIZE
            assert all(rows[::2])
            assert not any(rows[1::2])


EQUAL = "; equal to those of one process: True"
EXAMPLE_SCRIPTS = {
    "tf_data_service": ("tensorflow", f"16 batches of two workers{EQUAL}"),
    "keras_jax": ("jax", f"30 batches of 2 processes{EQUAL}"),
    "keras_jax_resume": ("orbax.checkpoint", "equal to a run without a kill: True"),
    "pytorch_ddp": ("torch", f"80 batches of 2 ranks{EQUAL}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLE_SCRIPTS)
def test_examples_are_exact(name, tmp_path):
    module, what = EXAMPLE_SCRIPTS[name]
    pytest.importorskip(module)
    script = ROOT / "examples" / "distributed" / f"{name}.py"
    # A session of its own, so that its processes end with it even if it is stopped.
    with started(script, cwd=tmp_path, start_new_session=True) as process:
        try:
            assert what in finish(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
