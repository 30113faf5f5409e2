"""The examples and benchmarks run, at a size of seconds."""

import importlib
import os
import pathlib
import re
import subprocess
import sys

import jupytext
import keras
import nbclient
import numpy as np
import pandas as pd
import pytest
from helpers import markdown_shown

from keras_mixup import mixup

ROOT = pathlib.Path(__file__).parent.parent
# Each is a script and, beside it, a notebook of the same cells.
EXPERIMENTS = [
    "ablation",
    "adversarial",
    "corrupted_labels",
    "few_labels",
    "gan",
    "images",
    "imbalance_and_regression",
    "in_between",
    "manifold",
    "sequences",
    "speech",
    "tables",
    "toy_boundary",
]


def run(script, *arguments, cwd, **environment):
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "shown", "picture"),
    [
        ("quickstart", ["--seeds", 1, "--epochs", 1], "mixup, alpha 8", "quickstart.png"),
        ("images", ["--smoke"], "| mixup, alpha 1 |", "images_batch.png"),
        ("corrupted_labels", ["--smoke", "--data", "cifar10"], "| CIFAR-10, error (%)", None),
        ("compare_methods", ["--smoke", "--methods", "plain", "fmix"], "| fmix (1) |", None),
        ("gan", ["--smoke", "--shapes", "grid"], "| modes covered |", "gan_samples.png"),
        ("cifar10_reference", ["--smoke", "--methods", "plain"], "| plain |", None),
    ],
)
def test_scripts_run(script, arguments, shown, picture, tmp_path):
    result = run(f"examples/{script}.py", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout
    assert not picture or (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


# Flags of the saved notebook that leave out a part of the experiment.
SAVED_WITH = {"corrupted_labels": "--data digits"}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_MIXUP_FLAGS", f"--smoke {SAVED_WITH.get(name, '')}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "examples"), prepend=os.pathsep)
    notebook = jupytext.read(ROOT / "examples" / f"{name}.ipynb")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "text/markdown" in kinds
    assert "image/png" in kinds or name in ("ablation", "imbalance_and_regression")
    saved = jupytext.read(ROOT / "examples" / f"{name}.ipynb")
    assert markdown_shown(notebook) == markdown_shown(saved), "save the notebook again"


@pytest.mark.slow
def test_the_recipe_of_the_paper(tmp_path):
    flags = ["--smoke", "--methods", "mixup", "manifold", "--epochs", 2, "--backup", "runs"]
    for _ in range(2):  # the second time, all is done
        result = run("examples/cifar10_paper.py", *flags, cwd=tmp_path)
        assert "| 2 of 2 epochs, one seed |" in result.stdout, result.stderr
    runs = pd.read_csv(tmp_path / "cifar10_paper.csv")[["method", "epoch", "epochs"]]
    assert runs.values.tolist() == [[name, k, 2] for name in ("mixup", "manifold") for k in (1, 2)]
    assert (tmp_path / "cifar10_paper.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_page_of_results_has_the_table_of_the_gans(tmp_path):
    result = run("examples/gan.py", "--show", ROOT / "docs/gan_modes.csv", cwd=tmp_path)
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert lines
    assert "\n".join(lines) in (ROOT / "docs/results.md").read_text()


def test_the_page_of_results_has_the_table_of_its_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    script = importlib.import_module("cifar10_paper")
    table = script.results(script.read(ROOT / "docs/cifar10_paper.csv"))
    assert table in (ROOT / "docs/results.md").read_text()


def test_differences_are_paired_by_seed(monkeypatch):
    """Two differences, -1 and -3: t with one degree of freedom is 12.706 at 97.5 %."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    script = importlib.import_module("compare_methods")
    runs = [("plain", 0, 40), ("plain", 1, 30), ("fmix", 1, 27), ("fmix", 0, 39), ("fmix", 2, 0)]
    rows = pd.DataFrame([(*run, *[run[-1]] * 4) for run in runs])
    rows.columns = ["method", "seed", *script.COLUMNS]
    assert "| fmix (2) | -2.0 (-14.7 to +10.7) |" in script.versus_plain(rows)


def test_rows_of_known_ratios_are_told_apart(monkeypatch):
    """60 whole rounds that differ by 1.4 % each: a step that is 0.3 % or 2 % slower."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    gpu, rng, rows = importlib.import_module("gpu"), np.random.default_rng(0), []
    base, ratios = 20 * rng.lognormal(0, 0.2, 61), {"no mixing": 1, "mixup": 1.003, "fmix": 1.02}
    for name, ratio in ratios.items():
        rows += [[*"JHRE", 0, name, *t] for t in enumerate(base * ratio * rng.normal(1, 0.01, 61))]
    table = gpu.table(pd.DataFrame(rows[1:], columns=gpu.COLUMNS))
    for name, equal in (("mixup", "yes"), ("fmix", "not shown")):
        low, high = re.search(rf"{name} \| 60 .*\((.*) to (.*)\) \| {equal} \(", table).groups()
        assert float(low) < ratios[name] < float(high)


@pytest.mark.slow
def test_calibration_stands_beside_the_error(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    cifar10 = importlib.import_module("cifar10")
    data = cifar10.load(smoke=True)
    model, run = cifar10.fit(data, mixup(0, num_classes=10), 0, cifar10.shorter(cifar10.CPU))
    measures = importlib.import_module("measures")
    p = measures.probabilities(model, data.x_test, batch_size=500)
    expected = measures.reliability(data.y_test, p)
    assert run["ece"] == 100 * expected.ece
    assert run["nll"] == expected.nll
    cells = [f"{run[key]:.1f}" for key in ("test_error", "ece")] + [f"{run['nll']:.2f}"]
    assert f"| plain | {' | '.join(cells)} |" in cifar10.errors_table({"plain": [run]}, "title")


def test_the_network_predicts_in_float32_under_every_policy(monkeypatch):
    """bfloat16 has 8 bits: it cannot tell a probability of 0.999 from 1."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    cifar10 = importlib.import_module("cifar10")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        data = cifar10.Data(np.zeros((2, 8, 8, 3), "uint8"), None, None, None)
        model = cifar10.network(data, widths=(2,))
    finally:
        keras.config.set_dtype_policy(policy)
    assert [layer.compute_dtype for layer in model.layers[-3:]] == ["bfloat16", *2 * ["float32"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("throughput", ["--cases", "small", "--rounds", 1, "--seconds", 0.05]),
        ("memory", ["--batches", 50, "--warm-up", 20, "--epochs", 11]),
        ("growth", ["--rounds", 1, "--seconds", 0.001, "--points", 3]),
        ("service", ["--rounds", 1, "--seconds", 0.1, "--batch", 2, "--side", 16]),
        ("start", ["--rounds", 1]),
        ("start", ["--builds", 2, "--warm-up", 1, "--kinds", "cast, map", "mixup, apply"]),
        ("in_model", ["--batch", 4, "--side", 8, "--width", 2, "--steps", 1, "--rounds", 1]),
        ("end_to_end", ["--batch", 2, "--side", 32, "--steps", 1, "--rounds", 1]),
        ("gpu", ["--rehearse"]),
    ],
)
def test_benchmarks_run(script, arguments, tmp_path):
    result = run(f"benchmarks/{script}.py", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    units = "ms per batch", "ms per step", "CPU ms", "MiB", "images/s", "µs per batch"
    assert any(unit in result.stdout for unit in units)
