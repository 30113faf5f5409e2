"""Code that the experiments share: command-line flags, and the display of tables and pictures.

Import this module first: it imports TensorFlow without the messages that TensorFlow prints when it
starts.

Each experiment exists as a script and as a notebook. A notebook has no command line, so it reads
its flags from the environment: KERAS_MIXUP_FLAGS="--smoke".
"""

import argparse
import inspect
import io
import os
import shlex
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow prints messages before it reads this variable, so hide stderr during the import. An
# exception is still shown.
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    import tensorflow as tf
finally:
    os.dup2(stderr, 2)
tf.get_logger().setLevel("ERROR")  # TensorFlow warns when one process traces many models

IN_NOTEBOOK = "ipykernel" in sys.modules


def flags(description, **own):
    """Parses `--smoke`, `--pictures`, and the `own` flags of an experiment.

    `own` are name=(default, help) or name=(default, help, choices). A list as default makes a flag
    that takes several values; `False` one that takes none.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="a quick test run on tiny data")
    parser.add_argument(
        "--pictures", type=Path, default=Path(), metavar="DIR", help="where to save pictures (.)"
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


def progress(text):
    """Prints how far a script is; a notebook shows results alone."""
    if not IN_NOTEBOOK:
        print(text, flush=True)


def show_table(markdown):
    """Shows a table: typeset in a notebook, as text in a terminal."""
    if IN_NOTEBOOK:
        from IPython.display import Markdown, display

        display(Markdown(markdown))
    else:
        print(f"\n{markdown}\n", flush=True)


def show_source(*functions):
    """Shows the code of shared functions in a notebook; does nothing in a terminal."""
    if IN_NOTEBOOK:
        from IPython.display import Markdown, display

        for function in functions:
            display(Markdown(f"```python\n{inspect.getsource(function)}```"))


def show_picture(figure, name, args):
    """Shows a figure in a notebook; in a terminal, saves it as NAME.png in `--pictures`."""
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
    """Formats values as "5.0 (4.1 to 5.9)", and a single value as itself."""
    mean = f"{sum(values) / len(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(header, rows):
    """A Markdown table; the first column names the rows, the others hold numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
