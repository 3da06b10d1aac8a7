"""The reference of the format is what the models say."""

import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from outrider.config.file_model import MODELS
from outrider.config.gateway import Gateway

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_is_what_its_script_makes_of_the_models() -> None:
    command = [sys.executable, str(DOCS / "make_format.py")]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert (DOCS / "format.md").read_text() == made, "python docs/make_format.py > docs/format.md"


def test_every_field_has_a_row_with_a_description() -> None:
    rows = [line.split(" | ") for line in (DOCS / "format.md").read_text().splitlines() if line.startswith("| `")]
    told = {row[0].strip("| `"): row[-1].strip(" |") for row in rows}
    models: list[type[BaseModel]] = [*MODELS.values(), Gateway]
    for model in models:
        assert {field.alias or name for name, field in model.model_fields.items()} <= told.keys()
    assert [name for name, words in told.items() if not words] == []
