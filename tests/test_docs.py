"""The handbook: its code runs, its tables say what the code says, and it builds."""

import ast
import contextlib
import importlib.util
import inspect
import io
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup

ROOT = pathlib.Path(__file__).parent.parent
BLOCK = re.compile(r"^(?:<!-- needs: (\w+) -->\n)?```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [
    # The page of data compiles twenty mixes.
    pytest.param(path.stem, marks=[pytest.mark.slow] if path.stem == "data" else [])
    for path in sorted((ROOT / "docs").glob("*.md"))
    if path.stem != "index" and BLOCK.search(path.read_text())
]
CARDS = sorted(path.stem for path in (ROOT / "docs/methods").glob("*.md") if path.stem != "index")
SECTIONS = [
    "What the model sees",
    "When to use it",
    "When not to use it",
    "How to use it",
    "Arguments",
    "How it combines",
    "Cost",
    "Measured here",
    "Pitfalls",
]


def cifar():
    """What `keras.datasets.cifar10.load_data` returns: its shapes and dtypes, and all classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 32, 32, 3), "uint8")
    labels = rng.permutation(64)[:, np.newaxis].astype("uint8") % 10
    return (images[:48], labels[:48]), (images[48:], labels[48:])


@pytest.fixture
def names(tmp_path, monkeypatch):
    """The data and the model of First steps, and no more: pages import and make the rest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", cifar)
    fit = keras.Model.fit  # which warns that it does not shuffle a dataset unless told not to
    quiet = {"verbose": 0, "shuffle": False}
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **own: fit(*args, **{**quiet, **own}))
    first = {}
    exec(BLOCK.search((ROOT / "docs/getting_started.md").read_text())[2], first)
    given = ("of", "images", "labels", "images_val", "labels_val", "model")
    return {"__name__": "__main__", **{name: first[name] for name in given}}


def folders(path):
    """Two classes of three files each: images, and sounds."""
    for kind in ("a", "b"):
        for name in ("1", "2", "3"):
            file = path / "images" / kind / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            keras.utils.save_img(file, np.full((8, 8, 3), 99), scale=False)
            file = path / "sounds" / kind / f"{name}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(tf.audio.encode_wav(np.zeros((9000, 1), "float32"), 16000).numpy())


def run(page, names, packages):
    """Run the blocks of a page in order; those that need another package only if it is given.

    What a block prints stands in its comments, on as many lines as it takes.
    """
    text = (ROOT / page).read_text()
    blocks, train = [*BLOCK.finditer(text)], None
    assert blocks
    for match in blocks:
        package, block = match.groups()
        if package and package not in packages:
            continue
        # On its own lines of the page, where libraries look for the source of a function.
        lines = "\n" * text.count("\n", 0, match.start(2))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(lines + block, ROOT / page, "exec"), names)
        if "print(" in block:
            comments = " ".join(re.findall(r"^ *#(.*)$", block, re.MULTILINE))
            assert " ".join(printed.getvalue().split()) in " ".join(comments.split())
        train, before = names.get("train"), train
        if train is not before and train.cardinality() != tf.data.INFINITE_CARDINALITY:
            for element in train:
                assert len(element) in (2, 3)


# Keras's own, where it saves a model.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation")


@SAVING
@pytest.mark.parametrize("page", PAGES)
def test_code_in_pages_runs(page, names, tmp_path):
    folders(tmp_path)
    run(f"docs/{page}.md", names, packages=[])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # other packages' own
@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("data", "tensorflow_datasets"),
        ("loaders", "torch"),
        ("loaders", "grain"),
        ("loaders", "keras_hub"),
    ],
)
def test_code_that_needs_another_package_runs(page, package, names, tmp_path):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    folders(tmp_path)
    with contextlib.ExitStack() as stack:
        if package == "tensorflow_datasets":
            import tensorflow_datasets as tfds

            stack.enter_context(tfds.testing.mock_data(num_examples=32))
        run(f"docs/{page}.md", names, [package])


@pytest.mark.slow
def test_code_for_keras_on_jax_runs():
    """Alone, because other code of the page is for Keras on TensorFlow."""
    pytest.importorskip("jax")
    blocks = [BLOCK.search((ROOT / "docs/getting_started.md").read_text())[2]]
    found = BLOCK.findall((ROOT / "docs/loaders.md").read_text())
    blocks += [block for package, block in found if package == "jax"]
    script = f"""
import test_docs
test_docs.keras.datasets.cifar10.load_data = test_docs.cifar
{"".join(blocks)}
batches = list(train.take(2))
for ours, theirs in zip(on_device(batches), batches, strict=True):
    assert all(isinstance(part, jax.Array) for part in ours)
    assert all(map(np.array_equal, ours, theirs))
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT / "tests",
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]


@SAVING
@pytest.mark.parametrize("card", CARDS)
def test_code_in_cards_runs(card, names):
    run(f"docs/methods/{card}.md", names, packages=[])


@pytest.mark.slow
def test_code_in_the_readme_runs(names, monkeypatch):
    fit = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **own: fit(*args, **{**own, "epochs": 1}))
    for _, block in BLOCK.findall((ROOT / "README.md").read_text()):
        exec(compile(block, "README.md", "exec"), names)
    assert "soft_accuracy" in names["model"].history.history


def test_the_handbook_begins_with_the_code_of_the_readme():
    readme, index = ((ROOT / page).read_text() for page in ("README.md", "docs/index.md"))
    assert BLOCK.findall(readme)[0] == BLOCK.findall(index)[0]


def test_the_readme_is_short():
    """Without the rows that `lists.py` makes: one for each method."""
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("| [`")]) <= 110


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_point_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("card", CARDS)
def test_cards_have_the_same_sections_in_the_same_order(card):
    text = (ROOT / f"docs/methods/{card}.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert "](../api/" in text.split("\n## ")[0], "no link to the API"


def rows(card):
    """The default of each argument in the table of a card, as text, without those left empty."""
    text = (ROOT / f"docs/methods/{card}.md").read_text()
    table = text.split("## Arguments\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", table, re.MULTILINE)
    inherited = re.search(r"the rest \| \| as for \[.*?\]\((\w+)\.md\)", table)
    return {**(rows(inherited[1]) if inherited else {}), **dict(found)}


@pytest.mark.parametrize("card", CARDS)
def test_tables_of_arguments_say_what_the_signatures_say(card):
    parameters = inspect.signature(getattr(keras_mixup, card)).parameters
    table = rows(card)
    for name, parameter in parameters.items():
        required = parameter.default is parameter.empty
        default = parameter.empty if not table[name] else ast.literal_eval(table[name])
        assert required == (default is parameter.empty), name
        assert required or default == parameter.default, name


@pytest.mark.parametrize("card", CARDS)
def test_measured_numbers_are_those_of_the_results(card):
    """What a card quotes stands in a table or in the text that the number is from."""
    text = (ROOT / f"docs/methods/{card}.md").read_text()
    measured = text.split("## Measured here\n")[1].split("\n## ")[0]
    sources = [(ROOT / f"docs/{page}.md").read_text() for page in ("results", "getting_started")]
    known = set(re.findall(r"\d+\.\d+", "\n".join(sources)))
    assert set(re.findall(r"\d+\.\d+", measured)) <= known


# The columns of the README's table of speed, as the rows of the benchmark's tables.
CONTENDERS = [
    "floor: cast or copy",
    "mixup, apply",
    "keras.layers.MixUp",
    "cutmix, apply",
    "keras.layers.CutMix",
]


def medians(batch):
    """Milliseconds per batch of uint8 images, by contender, in the benchmark's table."""
    size, shape = batch.split(" x ")
    title = f"**{size} x {shape.replace('x', ' x ')} uint8"
    table = (ROOT / "benchmarks/README.md").read_text().split(title)[1].split("\n**")[0]
    rows = re.findall(r"^\| (.*?) \| ([\d.]+) \(", table, re.MULTILINE)
    return {name: float(median) for name, median in rows}


def test_the_readme_says_of_speed_what_was_measured():
    text = (ROOT / "README.md").read_text().split("## Speed\n")[1]
    rows = re.findall(r"^\| (\d+ x \S+) \| (.*) \|$", text, re.MULTILINE)
    assert rows
    for batch, cells in rows:
        measured = medians(batch)
        for contender, cell in zip(CONTENDERS, cells.split(" | "), strict=True):
            # Two digits: half of the last one is 5 % of 10.
            assert float(cell.strip("*")) == pytest.approx(measured[contender], rel=0.05)


def test_pages_say_of_the_gpu_what_was_measured():
    """Ratios, one per card, are quoted with the two decimals of the table's median, rounded."""
    text = (ROOT / "benchmarks/README.md").read_text().split("## A training step on a GPU\n")[1]
    rows = re.findall(r"^\| (.*?) \| [^|]* \| ([\d.]+) \(", text.split("\n## ")[0], re.MULTILINE)
    quoted = ("mixup", "no mixing, float32")
    expected = {f"{float(ratio):.2f}" for name, ratio in rows if name in quoted}
    for page, section in (
        ("README.md", "Speed"),
        ("docs/pitfalls.md", "float32 images and a fast GPU"),
    ):
        quote = (ROOT / page).read_text().split(f"## {section}\n")[1].split("\n## ")[0]
        quote = quote[quote.index("H100") :]
        assert set(re.findall(r"\d\.\d\d", quote)) == expected, page


def lists():
    """The module that makes the lists of methods; a script beside the cards."""
    spec = importlib.util.spec_from_file_location("lists", ROOT / "docs/methods/lists.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_method_has_a_card_and_a_place_in_the_lists():
    for path, text in lists().pages():
        assert path.read_text() == text, "run python docs/methods/lists.py"
    assert {name for name, *_ in lists().cards()} == set(CARDS)


@pytest.mark.slow
def test_the_handbook_builds_without_warnings(tmp_path):
    for package in ("sphinx", "furo", "myst_nb"):
        pytest.importorskip(package)
    for command in (
        ["-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", tmp_path],
        ["docs/check_handbook.py", tmp_path],
    ):
        result = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_without_tensorflow_the_import_says_what_to_install():
    script = "import sys; sys.modules['tensorflow'] = None; import keras_mixup"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert 'pip install ".[tf]"' in result.stderr.splitlines()[-1]
