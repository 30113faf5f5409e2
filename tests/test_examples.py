"""The examples and benchmarks run, at a size of seconds."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def run(script, *arguments, cwd):
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_quickstart(tmp_path):
    arguments = ["--seeds", 1, "--epochs", 1, "--train-examples", 384]
    result = run("examples/quickstart.py", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "quickstart.png").read_bytes().startswith(b"\x89PNG")
    assert "accuracy" in result.stdout
    assert "mixup, alpha 0.2" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--alpha", "-1"], "--alpha: must be at least 0"),
        (["--train-examples", "100000"], "--train-examples: must be"),
        (["--output", "nowhere/a.png"], "--output: must be"),
    ],
)
def test_quickstart_refuses_bad_flags(arguments, message, tmp_path):
    result = run("examples/quickstart.py", *arguments, cwd=tmp_path)
    assert result.returncode != 0
    assert message in result.stderr


def test_compare_methods(tmp_path):
    arguments = ["--smoke", "--methods", "none", "fmix", "regmixup", "--json", "runs.jsonl"]
    result = run("examples/compare_methods.py", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 3
    assert "| regmixup |" in result.stdout


def test_toy_boundary(tmp_path):
    result = run("examples/toy_boundary.py", "--smoke", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "toy_boundary.png").read_bytes().startswith(b"\x89PNG")
    assert "miss at" in result.stdout


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("throughput", ["--cases", "small", "--rounds", 1, "--seconds", 0.05]),
        ("memory", ["--batches", 50, "--warm-up", 20, "--epochs", 11]),
        ("growth", ["--rounds", 1, "--seconds", 0.001, "--points", 3]),
        ("end_to_end", ["--batch", 2, "--side", 32, "--steps", 1, "--rounds", 1]),
    ],
)
def test_benchmarks_run(script, arguments, tmp_path):
    result = run(f"benchmarks/{script}.py", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "ms a batch" in result.stdout or "MiB" in result.stdout or "images/s" in result.stdout
