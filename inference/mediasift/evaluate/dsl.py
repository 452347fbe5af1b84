"""A corpus as R's package `dsl` reads it (Egami, Hinck, Stewart and Wei): a line for every item, coded or not.

    dsl(model = "lm", formula = true_yes ~ account, predicted_var = "true_yes", prediction = "predicted_yes",
        labeled = "labeled", sample_prob = "sample_prob", data = read.csv("corpus.csv"))

`true_VALUE` is 1 or 0 where the item is coded and empty, which R reads as NA, where it is not; `predicted_VALUE` is
1 or 0 everywhere; `sample_prob` is the probability with which the item was drawn, of those that were not, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mediasift.evaluate.corpus import Corpus
from mediasift.evaluate.design import Design
from mediasift.evaluate.units import Unit
from mediasift.system.files import write_atomically
from mediasift.tables.writers import write_lines


def write_dsl(
    path: Path, corpus: Corpus, verdicts: Mapping[Unit, frozenset[str]], design: Design, values: Sequence[str]
) -> None:
    """Write the corpus as CSV.

    Args:
        path: The file.
        corpus: What the machine says, and groups.
        verdicts: Coded unit → what is true of it.
        design: How the sample was drawn.
        values: The labels.

    Raises:
        OutputError: It cannot be written.
    """
    names = [_name(value) for value in values]
    unique = names if len({*names}) == len(names) else [f"{name}.{number}" for number, name in enumerate(names, 1)]
    coded: dict[tuple[str, ...], int] = {}
    for unit in verdicts:
        stratum = corpus.units[unit][: len(design.by)]
        coded[stratum] = coded.get(stratum, 0) + 1
    groups = list(dict.fromkeys(corpus.by))
    header = [*corpus.columns, *groups, "labeled", "sample_prob", *(f"true_{name}" for name in unique),
              *(f"predicted_{name}" for name in unique)]  # fmt: skip
    lines = [header]
    for unit, strata in corpus.units.items():
        stratum = strata[: len(design.by)]
        true = verdicts.get(unit)
        known = dict(zip(corpus.by, strata, strict=True))
        lines.append([
            *unit, *(known[name] for name in groups), str(int(true is not None)),
            repr(coded[stratum] / design.population[stratum]),
            *("" if true is None else str(int(value in true)) for value in values),
            *(str(int(value in corpus.labels[unit])) for value in values),
        ])  # fmt: skip
    write_atomically(path, lambda file: write_lines(lines, file))


def _name(value: str) -> str:
    """What R takes for a name, and shows as it is."""
    return re.sub(r"[^\w.]+", "_", value)
