"""The notebooks that stand alone: they need only what can be installed, and show what they do."""

import json
import os
import pathlib
import re

import jupytext
import nbclient
import numpy as np
import pytest
import tensorflow as tf
from helpers import markdown_shown, without_numbers

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
ALONE = ["cutmix_and_choose", "image_classification", "mixing_in_a_model", "text", "tour"]
# What TensorFlow prints when it starts, and where a computer has no GPU.
LOG = re.compile(r"WARNING: All log messages|[IWE]\d{4} |To enable the following instructions|$")


def read(name, suffix="ipynb"):
    return jupytext.read(EXAMPLES / f"{name}.{suffix}")


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shortened(notebook):
    """The notebook with one epoch, in whose few steps TensorFlow would warn of many traces."""
    imports = code(notebook)[1]
    imports.source, count = re.subn(r"(?m)^EPOCHS = \d+$", "EPOCHS = 1", imports.source)
    assert count == 1
    imports.source += "\nimport logging; logging.getLogger('tensorflow').setLevel('ERROR')"
    return notebook


def shown(cell):
    """What a cell shows: text without numbers, or the kinds of other output and figure sizes."""
    result = []
    for output in cell.outputs:
        if output.output_type != "stream":
            result.append((sorted(output.data), without_numbers(output.data["text/plain"])))
        elif output.name == "stdout":
            result.append(without_numbers(output.text))
        else:
            assert not [line for line in output.text.splitlines() if not LOG.match(line)]
    return result


@pytest.fixture(scope="module")
def tiny_cifar10(tmp_path_factory):
    """The folder of a CIFAR-10 of noise, for TensorFlow Datasets: a hundredth of its size."""
    data_dir = tmp_path_factory.mktemp("tfds")
    folder = data_dir / "cifar10/3.0.2"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    splits = []
    for split, count in {"train": 2560, "test": 100}.items():
        with tf.io.TFRecordWriter(f"{folder}/cifar10-{split}.tfrecord-00000-of-00001") as writer:
            for index in range(count):
                example = tf.train.Example()
                feature = example.features.feature
                png = tf.io.encode_png(rng.integers(0, 256, (32, 32, 3)).astype("uint8"))
                feature["image"].bytes_list.value.append(png.numpy())
                feature["label"].int64_list.value.append(index % 10)
                feature["id"].bytes_list.value.append(b"")
                writer.write(example.SerializeToString())
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        splits.append({"name": split, "shardLengths": [str(count)], "filepathTemplate": template})
    info = {"name": "cifar10", "version": "3.0.2", "fileFormat": "tfrecord", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    (folder / "label.labels.txt").write_text(names.replace(" ", "\n") + "\n")
    return str(data_dir)


@pytest.mark.parametrize("name", ALONE)
def test_a_notebook_alone_has_the_form_of_keras_io(name):
    text = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    for field in ("Author", "Date created", "Last modified", "Description", "Accelerator"):
        assert f"\n**{field}:** " in text
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert headings[:3] == ["Introduction", "Setup", "Data"]
    assert headings[-2:] == ["Conclusion", "References"]
    lines = [line for cell in code(read(name)) for line in cell.source.splitlines()]
    assert max(map(len, lines)) < 90


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_a_notebook_alone_runs_in_an_empty_folder(name, tmp_path, monkeypatch, tiny_cifar10):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("TFDS_DATA_DIR", tiny_cifar10)
    if "PYTHONPATH" in os.environ:
        places = os.environ["PYTHONPATH"].split(os.pathsep)
        assert not any(pathlib.Path(place).resolve() == EXAMPLES for place in places)
    saved, notebook = read(name), shortened(read(name))
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    message = f"run `python save_notebooks.py {name}`"
    for one, other in zip(code(notebook), code(saved)):
        assert shown(one) == shown(other), message
    assert markdown_shown(notebook) == markdown_shown(saved), message


@pytest.mark.parametrize("name", ALONE)
def test_a_notebook_alone_says_what_to_install_where_the_package_is_missing(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'run `%pip install "..\[examples\]"`; outside of'):
        exec(code(read(name))[0].source, {})


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.ipynb")))
def test_a_notebook_is_saved_with_what_its_script_gives(name):
    script, notebook = read(name, "py"), read(name)
    assert [c.source.strip() for c in notebook.cells] == [c.source.strip() for c in script.cells]
    assert all(cell.execution_count for cell in code(notebook))
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    kinds = {output.output_type for output in outputs}
    assert "error" not in kinds
    assert kinds & {"display_data", "execute_result"}
    assert ROOT.as_posix() not in str(notebook)
