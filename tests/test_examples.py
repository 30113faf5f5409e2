"""The examples and benchmarks run, at a size of seconds."""

import os
import pathlib
import subprocess
import sys

import jupytext
import nbclient
import pytest

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
    "speech",
    "tables",
    "text",
    "tour",
    "toy_boundary",
]


def run(script, *arguments, cwd):
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.slow
def test_quickstart(tmp_path):
    result = run("examples/quickstart.py", "--seeds", 1, "--epochs", 1, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "quickstart.png").read_bytes().startswith(b"\x89PNG")
    assert "accuracy" in result.stdout
    assert result.stdout.count("mixup, alpha 0.2") == 2  # noisy labels, few images


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_MIXUP_FLAGS", "--smoke")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "examples"), prepend=os.pathsep)
    notebook = jupytext.read(ROOT / "examples" / f"{name}.ipynb")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "text/markdown" in kinds
    assert "image/png" in kinds or name in ("ablation", "imbalance_and_regression")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_notebook_is_saved_with_what_its_script_gives(name):
    script = jupytext.read(ROOT / "examples" / f"{name}.py")
    notebook = jupytext.read(ROOT / "examples" / f"{name}.ipynb")
    assert [c.source.strip() for c in notebook.cells] == [c.source.strip() for c in script.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    kinds = [output.output_type for cell in code for output in cell.outputs]
    assert "display_data" in kinds
    assert "error" not in kinds
    assert ROOT.as_posix() not in str(notebook)


@pytest.mark.slow
def test_experiment_runs_as_a_script(tmp_path):
    """With the paper's recipe too, which no notebook runs."""
    result = run("examples/images.py", "--smoke", "--paper", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "images_batch.png").read_bytes().startswith(b"\x89PNG")
    assert "| mixup, alpha 1 |" in result.stdout
    again = run("examples/images.py", "--smoke", "--paper", cwd=tmp_path)
    assert "mixup, alpha 1, seed 0: found" in again.stdout


@pytest.mark.slow
def test_experiment_refuses_bad_flags(tmp_path):
    result = run("examples/images.py", "--pictures", "nowhere", cwd=tmp_path)
    assert result.returncode != 0
    assert "--pictures: must be a folder" in result.stderr


@pytest.mark.slow
def test_compare_methods(tmp_path):
    methods = ["plain", "fmix", "regmixup"]
    result = run("examples/compare_methods.py", "--smoke", "--methods", *methods, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "| regmixup |" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("throughput", ["--cases", "small", "--rounds", 1, "--seconds", 0.05]),
        ("memory", ["--batches", 50, "--warm-up", 20, "--epochs", 11]),
        ("growth", ["--rounds", 1, "--seconds", 0.001, "--points", 3]),
        ("start", ["--rounds", 1]),
        ("start", ["--builds", 2, "--warm-up", 1, "--kinds", "cast, map", "mixup, apply"]),
        ("in_model", ["--batch", 4, "--side", 8, "--width", 2, "--steps", 1, "--rounds", 1]),
        ("end_to_end", ["--batch", 2, "--side", 32, "--steps", 1, "--rounds", 1]),
    ],
)
def test_benchmarks_run(script, arguments, tmp_path):
    result = run(f"benchmarks/{script}.py", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    units = "ms per batch", "CPU ms", "MiB", "images/s"
    assert any(unit in result.stdout for unit in units)
