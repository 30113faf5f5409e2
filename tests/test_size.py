"""The size of the package and of its tests, which CONTRIBUTING.md states."""

import ast
import io
import pathlib
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parent.parent
BLANK = {"COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER"}
DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef


def size(path):
    """The lines of code of a file: without docstrings, comments and blank lines."""
    source, lines = path.read_text(), set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if tokenize.tok_name[token.type] not in BLANK:
            lines |= {*range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            lines -= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    return len(lines)


@pytest.mark.parametrize(("folder", "most"), [("keras_mixup", 5_000), ("tests", 8_500)])
def test_the_budget_of(folder, most):
    assert sum(map(size, (ROOT / folder).rglob("*.py"))) <= most
    assert f"`{folder}/` {most:,}" in (ROOT / "CONTRIBUTING.md").read_text()


def test_modules_are_short():
    lines = {
        path.name: len(path.read_text().splitlines())
        for path in (ROOT / "keras_mixup").rglob("*.py")
    }
    assert {name for name, count in lines.items() if count > 300} <= {"recipes.py"}
