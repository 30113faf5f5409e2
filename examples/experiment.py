"""What the experiments share: their flags, and how they show a table and a picture.

Import it first: it also imports TensorFlow without the notes that it prints at its start.

Each experiment is one file in two forms, a script and a notebook. A notebook has no command line;
there the flags come from the environment: KERAS_MIXUP_FLAGS="--smoke".
"""

import argparse
import inspect
import io
import os
import shlex
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow prints notes before it has read that: hide what importing it prints, not its errors.
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    import tensorflow as tf
finally:
    os.dup2(stderr, 2)
tf.get_logger().setLevel("ERROR")  # it warns when one process traces many models

IN_NOTEBOOK = "ipykernel" in sys.modules


def flags(description, **own):
    """The values of `--smoke`, `--pictures`, and of an experiment's `own` flags.

    `own` are name=(default, help) or name=(default, help, choices). A list as default makes a flag
    that takes several values; `False` one that takes none.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="seconds, tiny: does it run?")
    parser.add_argument(
        "--pictures", type=Path, default=Path(), metavar="DIR", help="where to save them (.)"
    )
    for name, (default, text, *choices) in own.items():
        flag = "--" + name.replace("_", "-")
        if default is False:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        several = isinstance(default, list)
        example = default[0] if several else default
        parser.add_argument(
            flag,
            default=default,
            type=str if example is None else type(example),
            nargs="+" if several else None,
            choices=choices[0] if choices else None,
            help=f"{text} ({shlex.join(map(str, default)) if several else default})",
        )
    given = shlex.split(os.environ.get("KERAS_MIXUP_FLAGS", "")) if IN_NOTEBOOK else None
    args = parser.parse_args(given)
    if not args.pictures.is_dir():
        parser.error(f"--pictures: must be a folder. Received: {args.pictures}")
    return args


def show_table(markdown):
    """Typeset in a notebook, as it is in a terminal."""
    if IN_NOTEBOOK:
        from IPython.display import Markdown, display

        display(Markdown(markdown))
    else:
        print(f"\n{markdown}\n", flush=True)


def show_source(*functions):
    """In the notebook, the code of what experiments share; in a terminal, nothing."""
    if IN_NOTEBOOK:
        from IPython.display import Markdown, display

        for function in functions:
            display(Markdown(f"```python\n{inspect.getsource(function)}```"))


def show_picture(figure, name, args):
    """In the notebook, or saved as NAME.png in the folder of `--pictures`."""
    if IN_NOTEBOOK:
        from IPython.display import Image, display

        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=100)
        display(Image(png.getvalue()))
    else:
        path = args.pictures / f"{name}.png"
        figure.savefig(path, dpi=130)
        print(f"Picture: {path.resolve()}", flush=True)


def mean_and_range(values, digits=1):
    """ "5.0 (4.1 to 5.9)"; of one value, that value."""
    mean = f"{sum(values) / len(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(header, rows):
    """Markdown; the first column names the rows, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
