"""What a work folder holds of an experiment. Nothing is trained here, and nothing is written."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from jaxtweaks.base import provenance
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.config import older
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.expand import expand
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.data.summary import without_images
from jaxtweaks.lab import answers, partial, settle
from jaxtweaks.lab.answer import Answer
from jaxtweaks.lab.experiment import Experiment, build
from jaxtweaks.lab.methods import method_of
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run import version
from jaxtweaks.run.manifest import Manifest, restore_groups
from jaxtweaks.run.plan import Group
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir, as_given, differences

Notify = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Stored:
    """The record of a sweep, as far as it has come.

    Attributes:
      experiment: what was asked, with all rounds that its search has come to.
      manifest: see `run.manifest`.
      groups: in the order of the manifest.
      found: the result of each group, None where there is none yet.
      missing: runs of the experiment without a result.
    """

    experiment: Experiment
    manifest: Manifest
    groups: list[Group]
    found: list[GroupResult | None]
    missing: int

    @property
    def seconds(self) -> float:
        """What the results took."""
        return sum(result.seconds for result in self.found if result)


def frozen(workdir: Workdir) -> Experiment:
    """The experiment whose config a work folder keeps.

    Raises:
      UserError: it keeps none, or one that this version does not take.
    """
    values = workdir.read_json('config.json')
    if values is None:
        raise UserError(f'{workdir.path}: holds no experiment (it has no config.json)')
    try:
        return rebuilt(values)
    except UserError as error:
        manifest = manifest_lib.read(workdir, lambda _: None)
        files = [launch.config for launch in manifest.launches] if manifest else []
        file = f'its config file was {files[-1]}; or ' if files and files[-1] else ''
        raise UserError(
            f'{workdir.path / "config.json"}: {error} '
            f'({file}is it of another version of jaxtweaks?)'
        ) from None


def rebuilt(values: dict[str, Any]) -> Experiment:
    """The experiment of a config as JSON has it. Raises UserError."""
    return build(as_given(older.completed(Experiment, older.renamed(values))), on_record=True)


def read(experiment: Experiment, workdir: Workdir, notify: Notify) -> Stored | None:
    """The record of an experiment, None if its folder has no manifest.

    Args:
      experiment: whose runs are looked for.
      workdir: the folder.
      notify: reports everything unexpected that is not an error.

    Raises:
      UserError: the folder is another experiment's.
    """
    manifest = manifest_lib.read(workdir, notify)
    if manifest is None:
        return None
    grown = experiment.grown(manifest.rounds)
    experiment = as_recorded(grown.as_now(), manifest, notify)
    runs = experiment.runs
    groups = restore_groups(manifest.groups, runs)
    if groups is None:
        refuse(experiment, workdir, manifest)
    # Results are read though networks that were kept with them are not there any more.
    found = [workdir.load_result(group, notify, networks=False) for group in groups]
    pairs = zip(groups, found, strict=True)
    finished = {run.id for group, result in pairs if result for run in group.runs}
    missing = sum(run.id not in finished for run in settle.wanted(experiment, manifest.looks))
    return Stored(experiment, manifest, groups, found, missing)


def answer(path: Path, stored: Stored, notify: Notify) -> Answer:
    """The answer in a folder whose runs are all there.

    Raises:
      UserError: the folder keeps no summary of its data, and they are not found or not the same.
    """
    dataset = _dataset(path, stored, notify)
    found = [one for one in stored.found if one is not None]
    return answers.gather(stored.experiment, found, dataset, path, stored.manifest.looks)


def unfinished_answer(path: Path, stored: Stored, notify: Notify) -> Answer:
    """The answer in a folder some of whose runs are missing, which is said.

    What is missing is NaN, nothing is derived, and the claims are those that can be tested: by the
    looks so far if seeds were being added until the claims are settled. They are corrected for all
    claims.

    Raises:
      UserError: no run is there; or as `answer`.
    """
    experiment, found = stored.experiment, [one for one in stored.found if one is not None]
    if not found:
        raise UserError(f'{path}: none of its {len(experiment.runs)} runs is finished yet')
    dataset = _dataset(path, stored, notify)
    measured = answers.measure(experiment, found, dataset)
    done = partial.finished(measured, found)
    claims, looks = [] if experiment.derive else experiment.claims, stored.manifest.looks
    # A claim that was looked at rests on the seeds of then: it waits for no others.
    by_looks = settle.goes_by(experiment, looks)
    seeds = lambda claim: settle.looked_at(claim, looks) if by_looks else None
    ready = lambda claim: partial.testable([claim], measured, done[:, : seeds(claim)])[0]
    tested = tuple(filter(ready, claims))
    waiting = tuple(claim for claim in claims if claim not in tested)
    words = partial.said(measured, done, len(experiment.claims), len(tested))
    derived = ', and nothing is derived' if experiment.derive else ''
    notify(f'{path}: is not finished: {words}; what is missing is NaN{derived}')
    table = tuple(name for name in experiment.table if not experiment.derive or measured.has(name))
    asked = dataclasses.replace(experiment, claims=tested, derive=(), table=table)
    return answers.gather(asked, found, dataset, path, looks, waiting)


def _dataset(path: Path, stored: Stored, notify: Notify) -> Dataset:
    """The data that results in a folder are of. Raises UserError."""
    workdir, experiment = Workdir(path), stored.experiment
    summary = workdir.load_summary()
    if summary is not None and summary.get('fingerprint') == stored.manifest.data.fingerprint:
        dataset = without_images(summary)
    else:  # of a version that kept none
        dataset = method_of(experiment, notify).dataset
    check_same_data(workdir, stored.manifest, dataset)
    return dataset


def load(path: Path, notify: Notify) -> Answer:
    """The answer in a work folder.

    Args:
      path: the work folder.
      notify: reports everything unexpected that is not an error, as that runs are missing.

    Raises:
      UserError: there is no experiment in it, or none of its runs is finished.
    """
    workdir = Workdir(path)
    experiment = frozen(workdir)
    stored = read(experiment, workdir, notify)
    if stored is None:
        raise UserError(f'{path}: holds no experiment (it has no {manifest_lib.NAME})')
    codes = stored.manifest.codes.values()
    trained = list(dict.fromkeys(code for group in codes for code in group))
    if trained != [now := code_of(stored.experiment)]:
        notify(f'{path}: {trained_by(trained, stored.manifest)}, now it is {now}')
    made = unfinished_answer if stored.missing else answer
    return made(path, stored, notify)


def as_recorded(experiment: Experiment, manifest: Manifest, notify: Notify) -> Experiment:
    """The experiment, with its registered parts as a folder knows them.

    Args:
      experiment: what is asked.
      manifest: of the folder.
      notify: reports if the folder knows them by something that cannot be checked now.
    """
    how = known_by(manifest)
    digests = {} if manifest.tweaks is None else manifest.tweaks.digests
    if not how:
        return experiment.as_now(lambda part: part.known_by(digests.get(part.key)))
    by_source = manifest.tweaks is None
    known = lambda part: part.by_source if by_source else digests.get(part.key, '')
    found = experiment.as_now(known)
    if names := ', '.join(map(called, found.digests)):
        notify(f'{names}: known here by {how}; that it does the same now is believed')
    return found


def known_by(manifest: Manifest) -> str:
    """By what a folder knows its parts, if that is not what they do here; else ''."""
    if manifest.format < 2:
        return 'the text of its source alone'
    if manifest.tweaks is None or manifest.tweaks.python == provenance.python():
        return ''
    return f'what Python {manifest.tweaks.python} made of it'


def code_of(experiment: Experiment) -> str:
    """The version of the code that carries out an experiment, see `version`."""
    return version.training() if experiment.plain is None else version.studies()


def trained_by(codes: Iterable[str], manifest: Manifest) -> str:
    """Versions of the training code in words, with the commits they are of."""
    commits = {
        launch.code: launch.commit or '' for launch in manifest.launches if launch.code is not None
    }
    words = []
    for code in codes:
        commit = commits.get(code, '')
        of = f' of commit {commit[:12]}' if commit not in ('', 'unknown') else ''
        words.append('one not recorded' if code == version.UNRECORDED else f'{code}{of}')
    plural = 's' if len(words) > 1 else ''
    return f'trained by version{plural} {" and ".join(words)} of the training code'


def check_same_data(workdir: Workdir, manifest: Manifest, dataset: Dataset) -> None:
    """Whether the data are those that a work folder's results are of. Raises UserError."""
    data = manifest.data
    if data.fingerprint != dataset.fingerprint:
        raise UserError(
            f'{workdir.path}: was made with other data ({data.label}, from {data.source}) than '
            f'are found now ({dataset.label}, from {dataset.source}); give the same '
            'data or choose another --workdir'
        )


def refuse(experiment: Experiment, workdir: Workdir, manifest: Manifest) -> NoReturn:
    """Says in what the experiment of a folder is another one. Raises UserError."""
    kept = workdir.read_json('config.json')
    changed = ['config.json is missing']
    if kept is not None:
        kept = older.completed(Experiment, older.renamed(kept), defaults=True)
        changed = _changed(kept, to_dict(experiment.asked))
    then = {} if manifest.tweaks is None else manifest.tweaks.digests
    changed = [
        f'the function of the {called(name)} is another one now'
        for name, digest in experiment.digests.items()
        if then.get(name, digest) != digest
    ] + changed
    changed = changed or ['the function of a registered part is another one now']
    if settle.settled(manifest.looks) and any('seeds: ' in one for one in changed):
        changed = ['its seeds were added by --until_settled, which goes on in it', *changed]
    listed = '; '.join(changed[:8]) + (' …' if len(changed) > 8 else '')
    raise UserError(
        f'{workdir.path}: holds runs of another config ({listed}); choose another --workdir, as '
        f'--workdir={free(workdir.path)}'
    )


def _changed(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Why runs of a config are not among those of another, a phrase each.

    More settings or seeds are no reason, nor is what is made of the runs: figures, claims, words.
    All in which the two differ if there is no reason else.
    """
    settings = {field.name for field in dataclasses.fields(Setting)} - {'parts'}
    chosen = lambda config, keys: {key: config[key] for key in config if key in keys}
    # Parts under the names by which they are typed.
    of_runs = lambda config: chosen(config, settings) | config.get('parts', {})
    base, asked = (_by_field(as_given(of_runs(config))) for config in (then, now))
    points, still = (_points(config['sweep']) for config in (then, now))
    swept = {name for point in [*points, *still] for name in point}
    unswept = lambda values: {name: values[name] for name in values if name not in swept}
    changed = differences(unswept(base), unswept(asked))
    if not points:
        changed += differences(as_given(then['sweep']), as_given(now['sweep']), 'sweep')
    whole = lambda point, values: frozenset((one, (values | point).get(one)) for one in swept)
    there = {whole(point, asked) for point in still}
    if lost := [point for point in points if whole(point, base) not in there]:
        first = ', '.join(f'{name}={value!r}' for name, value in lost[0].items())
        lacking = f'sweep: {count(len(lost), "setting")} of {len(points)} there not asked now'
        changed.append(f'{lacking}, as {first}' if first else lacking)
    seeds = [range(one['first_seed'], one['first_seed'] + one['seeds']) for one in (then, now)]
    if not {*seeds[0]} <= {*seeds[1]}:
        keys = 'seeds', 'first_seed'
        changed += differences(chosen(then, keys), chosen(now, keys))
    return changed or differences(then, now)


def _points(sweep: Any) -> list[dict[str, Any]]:
    """The settings of a sweep; none if it has a field of a part that is not registered now."""
    try:
        return expand(as_given(sweep))
    except UserError:
        return []


def _by_field(config: dict[str, Any], where: str = '') -> dict[str, Any]:
    """The values of a config by the dotted names of their fields."""
    found = {}
    for key, value in config.items():
        inner = isinstance(value, dict)
        found |= _by_field(value, f'{where}{key}.') if inner else {f'{where}{key}': value}
    return found


def called(key: str) -> str:
    """A registered part by its key, see `Experiment.digests`."""
    slot, _, part = key.rpartition(' ')
    return f"{slot or 'tweak'} '{part}'"


def free(path: Path) -> Path:
    """A folder next to one that is taken."""
    return next(
        free
        for number in itertools.count(2)
        if not (free := path.with_name(f'{path.name}-{number}')).exists()
    )
