"""Make notebooks from the scripts of the same names, run them, and save them with their output.

python save_notebooks.py tour text
KERAS_MIXUP_FLAGS="--seeds 0 1 2" python save_notebooks.py images
"""

import sys

import jupytext
import nbclient

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(name):
    """The notebook of a script, without output."""
    made = jupytext.read(f"{name}.py")
    made.metadata = {"kernelspec": KERNEL}
    return made


def save(name):
    made = notebook(name)
    nbclient.NotebookClient(made, record_timing=False, timeout=None).execute()
    for cell in made.cells:
        # The alternative text of a picture, for the handbook, is in the script.
        cell.metadata = {key: cell.metadata[key] for key in {"mystnb"} & {*cell.metadata}}
        if cell.cell_type == "code":
            # What TensorFlow prints when it starts differs from machine to machine.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    jupytext.write(made, f"{name}.ipynb")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        save(name)
