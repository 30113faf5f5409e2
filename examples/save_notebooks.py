"""Make notebooks from the scripts of the same names, run them, and save them with their output.

python save_notebooks.py tour text
KERAS_MIXUP_FLAGS="--seeds 0 1 2" python save_notebooks.py images
"""

import base64
import io
import sys

import jupytext
import nbclient
from PIL import Image

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(name):
    """The notebook of a script, without output."""
    made = jupytext.read(f"{name}.py")
    made.metadata = {"kernelspec": KERNEL}
    return made


def shrink(data):
    """Keeps 256 colors of a picture, which makes photographs a third as large."""
    if "image/png" in data:
        png, picture = io.BytesIO(), Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            png, "PNG", optimize=True
        )
        if len(png.getvalue()) < 0.7 * len(base64.b64decode(data["image/png"])):
            data["image/png"] = base64.b64encode(png.getvalue()).decode()


def save(name):
    made = notebook(name)
    nbclient.NotebookClient(made, record_timing=False, timeout=None).execute()
    for cell in made.cells:
        # The alternative text of a picture, for the handbook, is in the script.
        cell.metadata = {key: cell.metadata[key] for key in {"mystnb"} & {*cell.metadata}}
        if cell.cell_type == "code":
            # What TensorFlow prints when it starts differs from machine to machine.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                shrink(output.get("data", {}))
    jupytext.write(made, f"{name}.ipynb")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        save(name)
