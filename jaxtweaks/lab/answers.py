"""The answer of an experiment: rows, verdicts, figures, tables and the report."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from jaxtweaks.base import atomic, provenance
from jaxtweaks.base.metrics import LOSS
from jaxtweaks.base.words import Names, count, together, tweaks_of
from jaxtweaks.claims import published as published_lib
from jaxtweaks.claims import remarks
from jaxtweaks.claims.claim import Claim
from jaxtweaks.config import measured as measured_lib
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.data import Dataset
from jaxtweaks.data.summary import summary
from jaxtweaks.figures import figures
from jaxtweaks.lab import settle
from jaxtweaks.lab.answer import Answer
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import export, published, report, report_markdown, tables
from jaxtweaks.report.choice import Choice, choose
from jaxtweaks.report.contents import Contents, Drawn
from jaxtweaks.report.table import latex_document
from jaxtweaks.results import derive, guess
from jaxtweaks.results.collect import collect
from jaxtweaks.results.results import Results
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run import search
from jaxtweaks.run.manifest import LookRecord
from jaxtweaks.run.method import Method
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.studies.study import Sheet

_KINDS = ('png', 'svg')  # of files of a figure that there always are
_OF_LEARNING = ('curves', 'paths', 'effect')  # kinds of figures


def gather(
    experiment: Experiment,
    found: Sequence[GroupResult],
    dataset: Dataset,
    folder: Path,
    looks: Sequence[LookRecord] = (),
    waiting: Sequence[Claim] = (),
) -> Answer:
    """Puts together what was found, and tests the claims; writes nothing.

    Args:
      experiment: what was asked.
      found: the results of all groups.
      dataset: the data that was used; its images may be omitted, see `data.summary`.
      folder: the work folder.
      looks: at the claims, see `manifest.LookRecord`.
      waiting: claims that are asked too and cannot be tested yet, see `claims.evaluate`.
    """
    runs = experiment.runs
    measured = measure(experiment, found, dataset)
    rows = {}
    if axis := measured.axis:
        rows[f'{axis}s'] = export.epoch_rows(runs, measured.curves, axis)
    rows['runs'] = export.run_rows(runs, measured)
    results = derive.derived(measured, experiment.derivations, experiment.base)
    if experiment.derive:
        rows['derived'] = export.setting_rows(results.settings, results.seeds, results.finals)
    return Answer(
        experiment,
        measured,
        results,
        settle.verdicts(experiment, results, looks, waiting),
        choice_of(experiment, measured) if experiment.search.rounds else None,
        tables.settings_table(results, _listed(experiment), names=dict(experiment.names)),
        [tables.from_sheet(sheet) for sheet in _sheets(experiment)],
        rows,
        folder,
    )


def write(
    experiment: Experiment,
    workdir: Workdir,
    found: Sequence[GroupResult],
    method: Method,
    exports: Collection[str] = (),
) -> Answer:
    """Tests the claims, draws the figures, and writes everything into the work folder.

    Args:
      experiment: what was asked.
      workdir: with its manifest.
      found: the results of all groups.
      method: how they came about, with the data that was used.
      exports: what else to write, some of `export.KINDS`.
    """
    # What was written of an earlier state is written again: none lies next to newer results.
    exports = {*exports, *export.written_before(workdir.path)}
    looks = manifest_lib.current(workdir).looks
    answer = gather(experiment, found, method.dataset, workdir.path, looks)
    workdir.save_summary(summary(method.dataset))
    for name, rows in answer.rows.items():
        export.write_parquet(workdir.path / f'{name}.parquet', rows)
        if 'csv' in exports:
            export.write_csv(workdir.path / f'{name}.csv', rows)
    if not experiment.derive:  # any more
        for kind in ('parquet', 'csv'):
            (workdir.path / f'derived.{kind}').unlink(missing_ok=True)
    measured = answer.measured
    described = [verdict.to_dict() for verdict in answer.verdicts]
    compared = _published(experiment, answer.results)
    stand_in = measured.data_label if measured.fallback else ''
    shown = [*answer.tables]
    shown += [published.table(compared, experiment.size, stand_in)] if compared else []
    if 'latex' in exports:
        written = latex_document((*shown, answer.verdict_table))
        atomic.write_text(workdir.path / 'tables.tex', written)
    kinds = (*_KINDS, 'pdf') if 'pdf' in exports else _KINDS
    late = remarks.unfinished(answer.verdicts, answer.results)
    drawn = _draw(experiment, answer.results, workdir.figures, kinds, late)
    meta = _meta(experiment, workdir, found)
    meta['remarks'] += [*settle.remarks_of(looks), remarks.unfinished_words(late, answer.results)]
    contents = Contents(measured, described, drawn, shown, meta)
    atomic.write_text(workdir.path / 'report.md', report_markdown.render(contents))
    metrics = _listed(experiment) if experiment.search.rounds else None
    report.write(answer.report, contents, metrics)
    _export(experiment, workdir, measured, exports)
    # Last: a collection takes an experiment for finished by it.
    fields = [*measured.swept, *answer.results.swept]
    workdir.write_json('claims.json', _record(experiment, measured, fields, described, compared))
    return answer


def _export(
    experiment: Experiment, workdir: Workdir, measured: Results, exports: Collection[str]
) -> None:
    """Writes what other programs take of single runs."""
    runs = experiment.runs
    if 'tensorboard' in exports:
        export.write_tensorboard(workdir.path / 'tensorboard', runs, measured.curves)
    if 'wandb' in exports:
        export.write_wandb(workdir.path / 'wandb', experiment.name, runs, measured)
    if 'mlflow' in exports:
        export.write_mlflow(workdir.path / 'mlflow.db', experiment.name, runs, measured)


def files(experiment: Experiment) -> list[str]:
    """What `write` leaves behind in any case, by its place in the work folder."""
    figures = [f'figures/{figure.name}.{kind}' for figure in experiment.figures for kind in _KINDS]
    return ['runs.parquet', *figures, 'report.md', 'report.html', 'claims.json']


def measure(experiment: Experiment, found: Sequence[GroupResult], dataset: Dataset) -> Results:
    """The measurements on named axes, before the experiment's derivations. See `gather`."""
    study = experiment.plain
    if experiment.search.rungs:
        found = [_with_dropped(group) for group in found]
    measured = collect(experiment.runs, found, dataset, study.axis if study else 'epoch')
    exact = study is not None and study.exact
    usual = '' if study else measured_lib.usual(experiment.base).name
    return dataclasses.replace(
        measured,
        names=dict(experiment.names),
        exact=exact,
        usual=usual or measured.usual,
        guesses=_guesses(experiment, dataset),
    )


def _guesses(experiment: Experiment, dataset: Dataset) -> dict[str, float]:
    """What a diverged run counts as in claims, see `guess.values`; only a class can be guessed."""
    if dataset.targets != CLASSES:
        return {}
    losses = {run.setting.loss.name for run in experiment.runs[:: experiment.seeds]}
    cross_entropy = losses == {'cross_entropy'} and not experiment.plain
    return guess.values(experiment.diverged, len(dataset.classes), cross_entropy)


def _with_dropped(group: GroupResult) -> GroupResult:
    """With the rung at which each run was dropped as one of its finals."""
    left = np.zeros(len(group.runs)) if group.left_at is None else group.left_at
    dropped = {search.DROPPED: np.float32(left)}
    return dataclasses.replace(group, finals={**group.finals, **dropped})


def choice_of(experiment: Experiment, measured: Results) -> Choice | None:
    """What its search has chosen so far; None if every run has diverged."""
    return choose(measured, search.score_of(experiment.runs[0].setting))


def _listed(experiment: Experiment) -> tuple[str, ...] | None:
    """The metrics of the table of settings; None for the usual ones."""
    if experiment.table:
        return experiment.table
    if study := experiment.plain:
        return tuple(study.finals)
    if not experiment.search.rounds:
        return None
    # Of the test set a search reports only what it finds for the chosen setting.
    dropped = (search.DROPPED,) if experiment.search.rungs else ()
    both = (measured_lib.usual(experiment.base), LOSS)
    return tuple(dict.fromkeys((*(one.on('validation') for one in both), *dropped)))


def _record(
    experiment: Experiment,
    results: Results,
    fields: Sequence[str],
    verdicts: Sequence[dict[str, Any]],
    compared: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """What claims.json holds: all that an overview says of the experiment."""
    return {
        'experiment': experiment.name,
        'size': experiment.size,
        'question': experiment.question,
        'document': experiment.document,
        'caution': experiment.caution,
        'tweaks': tweaks_of(fields),
        'data': results.data_label,
        'stand_in': results.fallback,
        'seeds': len(results.seeds),
        'diverged': int(results.diverged.sum()),
        'config': config_digest(experiment),
        'commit': provenance.commit(),
        'verdicts': list(verdicts),
        'published': list(compared),
    }


def _published(experiment: Experiment, results: Results) -> list[dict[str, Any]]:
    """What was measured next to each published number, of claims and of the config's own list."""
    numbers = [*published_lib.of_claims(experiment.claims), *experiment.published]
    return [published_lib.measure(number, results).to_dict() for number in numbers]


def config_digest(experiment: Experiment) -> str:
    """SHA-256, in hex, of all that a config says."""
    text = json.dumps(to_dict(experiment.asked), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sheets(experiment: Experiment) -> Sequence[Sheet]:
    """The tables of the study's own, for the settings in the words of the experiment."""
    if experiment.plain is None:
        return ()
    runs = experiment.runs[:: experiment.seeds]
    names = Names(dict(experiment.names), [run.point for run in runs])
    settings = {together(run.point, names): run.setting for run in runs}
    return experiment.plain.sheets(settings)


def _draw(
    experiment: Experiment,
    results: Results,
    folder: Path,
    kinds: Sequence[str],
    late: Sequence[int] = (),
) -> list[Drawn]:
    """The figures, drawn and saved; `late`: the settings that had not finished learning."""
    drawn = []
    for figure in experiment.figures:
        sheet = figures.draw(figure, results)
        paths = dict(zip(kinds, figures.save(sheet, folder, figure.name, kinds), strict=True))
        shown = results.select(figure.where) if figure.kind in _OF_LEARNING else ()
        note = remarks.unfinished_words([k for k in late if k in shown], results)
        caption = ' '.join(filter(None, [figures.caption(figure, results), note]))
        drawn.append(Drawn(figure.name, figure.title, caption, paths['svg'].read_bytes()))
    return drawn


def _meta(experiment: Experiment, workdir: Workdir, found: Sequence[GroupResult]) -> dict[str, Any]:
    manifest = manifest_lib.current(workdir)
    return {
        **about(experiment, manifest.training),
        'data': manifest.data.to_json(),
        'seconds': sum(group.seconds for group in found),
        'training_code': _trained_by(manifest),
        'redrawn_by': _redrawn_by(manifest),
    }


def about(experiment: Experiment, launches: Sequence[manifest_lib.Launch]) -> dict[str, Any]:
    """What a report says of an experiment and of the launches that trained it.

    Its config is all that was set; a launch's own is the path of a file of this machine.
    """
    versions = [one.versions or {} for one in launches]
    return {
        'command': launches[-1].command,
        'started': launches[0].started,
        'device': _then(map(_devices, launches)),
        'commit': _then(one.commit or 'unknown' for one in launches),
        'versions': {
            name: _then(one.get(name) for one in versions)
            for name in dict.fromkeys(chain(*versions))
        },
        'title': experiment.name,
        'question': experiment.question,
        'document': experiment.document,
        'size': experiment.size,
        'config': to_dict(experiment),
        'remarks': [experiment.caution],
    }


def _then(values: Iterable[str | None]) -> str:
    """The values that there are, in order of their first appearance."""
    return ', then '.join(dict.fromkeys(filter(None, values)))


def _devices(launch: manifest_lib.Launch) -> str:
    """The devices that a launch trained on, in words."""
    by = lambda hosts: f' ({count(len(hosts), "worker")} on {", ".join(dict.fromkeys(hosts))})'
    found = launch.trained_on.items()
    return '; '.join(f'{device}{by(hosts) if hosts else ""}' for device, hosts in found)


def _redrawn_by(manifest: manifest_lib.Manifest) -> dict[str, str]:
    """The commit and the versions of the launch that made this report, where none trained so."""
    made = lambda one: {'commit': one.commit or 'unknown', **(one.versions or {})}
    trained = [made(one) for one in manifest.training]
    now = made(manifest.launches[-1])
    return {
        name: value for name, value in now.items() if all(one.get(name) != value for one in trained)
    }


def _trained_by(manifest: manifest_lib.Manifest) -> dict[str, int]:
    """How many groups each version of the training code trained, or went on with."""
    codes = manifest.codes.values()
    return dict(Counter(code for group in codes for code in dict.fromkeys(group)))
