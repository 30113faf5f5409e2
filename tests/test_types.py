"""What a type checker sees of the public API."""

import subprocess
import sys

import pytest

SCRIPT = """
import keras_mixup

mix = keras_mixup.mixup(0.2)
reveal_type(keras_mixup.mixup)
reveal_type(mix(1, 2))
reveal_type(mix(1, 2, 3))
mix()
"""


@pytest.mark.slow
def test_a_type_checker_tells_datasets_from_elements(tmp_path):
    """TensorFlow's own types are Any to mypy: what can be told apart is the number of arguments."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--ignore-missing-imports", "--follow-imports=silent"]
    result = subprocess.run([*command, script], capture_output=True, text=True)
    assert "-> keras_mixup._engine.mix.Mix" in result.stdout
    assert result.stdout.count('Revealed type is "tuple[Any, ...]"') == 2
    assert "All overload variants" in result.stdout
