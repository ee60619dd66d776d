"""What a report says, whatever it is written in."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtweaks.report.table import Table
from jaxtweaks.results.results import Results


class Drawn(NamedTuple):
    """A figure: the name of its files, its title, what stands around it in words, and its SVG."""

    name: str
    title: str
    caption: str
    svg: bytes


class Contents(NamedTuple):
    """Measurements, verdicts, figures, tables and the record of how they came about.

    Attributes:
      results: the measurements, for the list of all runs and the warnings.
      verdicts: what `Verdict.to_dict` returns, in order.
      figures: as they are to be shown.
      tables: the study's tables.
      meta: title, question, document, command, config (dict), versions (dict), commit, device,
        data (dict: label, source, fingerprint, sizes), started (text or seconds since 1970),
        seconds, size, training_code (dict: groups by the version of the code that trained them),
        remarks (sentences to know before believing the results).
        What is missing is omitted.
    """

    results: Results
    verdicts: Sequence[Mapping[str, Any]] = ()
    figures: Sequence[Drawn] = ()
    tables: Sequence[Table] = ()
    meta: Mapping[str, Any] = {}
