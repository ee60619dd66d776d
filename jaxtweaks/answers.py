"""The answer of an experiment: rows, verdicts, figures, tables and the report."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxtweaks import atomic, provenance
from jaxtweaks.config.build import to_dict
from jaxtweaks.experiment import Experiment
from jaxtweaks.study import claims, derive, figures, report, tables
from jaxtweaks.study.claim import Verdict
from jaxtweaks.study.collect import collect
from jaxtweaks.study.results import Results
from jaxtweaks.study.studies.study import Sheet
from jaxtweaks.study.tables import Table
from jaxtweaks.study.verdict_words import verdict_lines
from jaxtweaks.study.words import together, tweaks_of
from jaxtweaks.sweep import export
from jaxtweaks.sweep.method import Method
from jaxtweaks.sweep.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Answer:
    """What an experiment found.

    Attributes:
      results: the measurements on named axes, after the experiment's derivations.
      verdicts: one for each claim.
      table: a row for each setting.
      sheets: the tables of a study's own.
      report: the page that says it all.
    """

    results: Results
    verdicts: list[Verdict]
    table: Table
    sheets: list[Table]
    report: Path

    def show(self, console: Console) -> None:
        """Prints the table, the verdicts, and where the report is."""
        for table in (*self.sheets, self.table):
            console.print(table.to_rich(console.width))
        lines = verdict_lines([verdict.to_dict() for verdict in self.verdicts])
        # A terminal is better wrapped between words; a log has lines as long as they are.
        console.print(lines, soft_wrap=not console.is_terminal)
        console.print(f'report: {self.report}', highlight=False, soft_wrap=True)


def write(
    experiment: Experiment,
    workdir: Workdir,
    found: Sequence[dict[str, Any]],
    method: Method,
    tensorboard: bool = False,
) -> Answer:
    """Tests the claims, draws the figures, and writes everything into the work folder.

    Args:
      experiment: what was asked.
      workdir: with its manifest.
      found: the results of all groups.
      method: how they came about, with the data that was used.
      tensorboard: also write event files.
    """
    runs, measured = experiment.runs, measure(experiment, found, method)
    if measured.axis:
        rows = export.epoch_rows(runs, measured.curves, measured.axis)
        export.write_parquet(workdir.path / f'{measured.axis}s.parquet', rows)
    rows = export.run_rows(runs, measured.finals, measured.chosen_epoch, measured.diverged_at)
    export.write_parquet(workdir.path / 'runs.parquet', rows)
    if tensorboard:
        export.write_tensorboard(workdir.path / 'tensorboard', runs, measured.curves)
    results = derive.derived(measured, experiment)
    if experiment.derive:
        rows = export.setting_rows(results.settings, results.seeds, results.finals)
        export.write_parquet(workdir.path / 'derived.parquet', rows)
    verdicts = claims.evaluate(experiment.claims, results)
    described = [verdict.to_dict() for verdict in verdicts]
    fields = [*measured.swept, *results.swept]
    workdir.write_json('claims.json', _record(experiment, measured, fields, described))
    metrics = experiment.table or (tuple(experiment.plain.finals) if experiment.plain else None)
    table = tables.settings_table(results, metrics, names=dict(experiment.names))
    sheets = [tables.from_sheet(sheet) for sheet in _sheets(experiment)]
    texts = [shown.to_markdown() for shown in (*sheets, table)]
    texts += [tables.verdict_table(described).to_markdown()]
    atomic.write(workdir.path / 'tables.md', '\n'.join(texts).encode())
    path = report.write(
        workdir.path / 'report.html',
        measured,
        described,
        _draw(experiment, results, workdir.figures),
        [*sheets, table],
        _meta(experiment, workdir, found),
    )
    return Answer(results, verdicts, table, sheets, path)


def measure(experiment: Experiment, found: Sequence[dict[str, Any]], method: Method) -> Results:
    """The measurements on named axes, before the experiment's derivations. See `write`."""
    measured = collect(experiment.runs, found, method.dataset, method.axis)
    return dataclasses.replace(measured, names=dict(experiment.names), exact=method.exact)


def _record(
    experiment: Experiment,
    results: Results,
    fields: Sequence[str],
    verdicts: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """What claims.json holds: the verdicts, and all that an overview says of the experiment."""
    return {
        'experiment': experiment.name,
        'size': experiment.size,
        'question': experiment.question,
        'document': experiment.document,
        'tweaks': tweaks_of(fields),
        'data': results.data_label,
        'stand_in': results.fallback,
        'seeds': len(results.seeds),
        'diverged': int(results.diverged.sum()),
        'config': config_digest(experiment),
        'commit': provenance.commit(),
        'verdicts': list(verdicts),
    }


def config_digest(experiment: Experiment) -> str:
    """SHA-256, in hex, of all that a config says."""
    text = json.dumps(to_dict(experiment), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sheets(experiment: Experiment) -> Sequence[Sheet]:
    """The tables of the study's own, for the settings in the words of the experiment."""
    if experiment.plain is None:
        return ()
    names = dict(experiment.names)
    settings = {
        together(run.point, names): run.setting for run in experiment.runs[:: experiment.seeds]
    }
    return experiment.plain.sheets(settings)


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
