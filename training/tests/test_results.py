"""The model card shows the figures of the committed results, and no others."""

import re
from pathlib import Path

from tinymodels.report import report
from tinymodels.variants import TRAINING_FOLDER, read_variants

MODEL_CARD = TRAINING_FOLDER.parent / "packages/tiny-models/README.md"


def without_padding(markdown: str) -> str:
    """Formatters pad the cells of tables and break lines; that is no difference."""
    return re.sub(r"-+", "-", " ".join(markdown.split()))


def test_the_model_card_has_the_tables_of_the_results():
    tables = report(read_variants(), Path(TRAINING_FOLDER / "results"))
    card = without_padding(MODEL_CARD.read_text(encoding="utf-8"))
    for line in tables.splitlines():
        assert without_padding(line) in card
