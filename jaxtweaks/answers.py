"""The answer of an experiment: rows, verdicts, figures, tables and the report."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxtweaks import atomic
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import Dataset
from jaxtweaks.experiment import Experiment
from jaxtweaks.study import claims, figures, report, tables
from jaxtweaks.study.claim import Verdict
from jaxtweaks.study.collect import collect
from jaxtweaks.study.results import Results
from jaxtweaks.study.tables import Table
from jaxtweaks.study.verdict_words import verdict_lines
from jaxtweaks.sweep import export
from jaxtweaks.sweep.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an experiment found.

    Attributes:
      results: the measurements on named axes.
      verdicts: one for each claim.
      table: a row for each setting.
      report: the page that says it all.
    """

    results: Results
    verdicts: list[Verdict]
    table: Table
    report: Path

    def show(self, console: Console) -> None:
        """Prints the table, the verdicts, and where the report is."""
        console.print(self.table.to_rich())
        console.print(verdict_lines([verdict.to_dict() for verdict in self.verdicts]))
        console.print(f'report: {self.report}', highlight=False, soft_wrap=True)


def write(
    experiment: Experiment,
    workdir: Workdir,
    found: Sequence[dict[str, Any]],
    dataset: Dataset,
    tensorboard: bool = False,
) -> Answer:
    """Tests the claims, draws the figures, and writes everything into the work folder.

    Args:
      experiment: what was asked.
      workdir: with its manifest.
      found: the results of all groups.
      dataset: the data that was used.
      tensorboard: also write event files.
    """
    runs = experiment.runs
    results = collect(runs, found, dataset)
    export.write_parquet(workdir.path / 'epochs.parquet', export.epoch_rows(runs, results.curves))
    rows = export.run_rows(runs, results.finals, results.chosen_epoch, results.diverged_at)
    export.write_parquet(workdir.path / 'runs.parquet', rows)
    if tensorboard:
        export.write_tensorboard(workdir.path / 'tensorboard', runs, results.curves)
    verdicts = claims.evaluate(experiment.claims, results)
    described = [verdict.to_dict() for verdict in verdicts]
    workdir.write_json('claims.json', described)
    table = tables.settings_table(results, experiment.table or None, names=dict(experiment.names))
    texts = [table.to_markdown(), tables.verdict_table(described).to_markdown()]
    atomic.write(workdir.path / 'tables.md', '\n'.join(texts).encode())
    path = report.write(
        workdir.path / 'report.html',
        results,
        described,
        _draw(experiment, results, workdir.figures),
        [table],
        _meta(experiment, workdir, found),
    )
    return Answer(results, verdicts, table, path)


def _draw(experiment: Experiment, results: Results, folder: Path) -> list[tuple[str, str, bytes]]:
    drawn = []
    for figure in experiment.figures:
        sheet = figures.draw(figure, results)
        figures.save(sheet, folder, figure.name)
        drawn.append((figure.title, figures.caption(figure, results), figures.svg(sheet)))
    return drawn


def _meta(
    experiment: Experiment, workdir: Workdir, found: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    manifest = workdir.read_json('manifest.json')
    return {
        'title': experiment.name,
        'question': experiment.question,
        'document': experiment.document,
        'size': experiment.size,
        'config': to_dict(experiment),
        'data': manifest['data'],
        'seconds': sum(float(group['seconds']) for group in found),
        **manifest['launches'][-1],
    }
