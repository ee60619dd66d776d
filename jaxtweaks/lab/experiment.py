"""An experiment: a base setting, a sweep, seeds, and what to make of the results."""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxtweaks import studies
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.claims import claims as claims_lib
from jaxtweaks.claims import published as published_lib
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.published import PublishedNumber
from jaxtweaks.config import effect, measured, parts, trace, unknown
from jaxtweaks.config.build import FLAT, convert, from_dict, keys, rule_of
from jaxtweaks.config.check import check_settings
from jaxtweaks.config.config_file import NAME
from jaxtweaks.config.expand import Point, Sweep, expand, parts_by_round, rounds
from jaxtweaks.config.fields import Rule, plain, required
from jaxtweaks.config.part import Part
from jaxtweaks.config.reach import check_reach
from jaxtweaks.config.settings import Setting
from jaxtweaks.figures import figure_default
from jaxtweaks.figures import figures as figures_lib
from jaxtweaks.figures.figure_spec import Figure, kind_of
from jaxtweaks.lab import matched
from jaxtweaks.results import derive as derive_lib
from jaxtweaks.results import guess
from jaxtweaks.results.derive import DERIVATIONS, Derivation, Options
from jaxtweaks.results.recorded import Recorded, metrics_of
from jaxtweaks.run import search as search_lib
from jaxtweaks.run.group import Execution
from jaxtweaks.run.plan import Run, all_runs
from jaxtweaks.run.search import Search
from jaxtweaks.studies.study import Study

SIZES = ('smoke', 'quick', 'paper')
_ONE_FOR_ALL = tuple(f'data.{field}' for field in ('name', 'dir', 'download', 'fallback'))

# Which images are in which split. Some figures, and all studies, are of one split only.
_SPLIT = tuple(
    f'data.{field}'
    for field in ('split', 'split_seed', 'train_size', 'validation_size', 'test_size')
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One question. The keys of its base setting stand next to its own in a config."""

    # What the sweep starts from.
    base: Setting = dataclasses.field(default_factory=Setting, metadata=FLAT)
    name: str = required("the experiment's name; letters, digits, - and _")
    size: str = plain('quick', 'how large', choices=SIZES)
    question: str = plain('', 'the question, in a sentence')
    document: str = plain('', 'the document it comes from, with the section')
    caution: str = plain('', 'what to know before believing the answer, in a sentence')
    sweep: tuple = plain((), 'what varies; see jaxtweaks/config/expand.py')
    seeds: int = plain(3, 'runs of each setting', low=1, high=10_000)
    first_seed: int = plain(0, 'the seeds are this one and those after it', low=0, high=4e9)
    table: tuple[str, ...] = plain((), 'final metrics of the table; () for the usual ones')
    names: tuple[tuple[str, str], ...] = plain(
        (), "words for 'field', 'field=value' or 'value' in tables and figures, as pairs"
    )
    derive: tuple[str, ...] = plain(
        (),
        'what to make of the results before they are shown and tested, in this order',
        choices=DERIVATIONS.names,
    )
    # A section for each derivation that has options.
    options: Options = dataclasses.field(default_factory=Options, metadata=FLAT)
    search: Search = dataclasses.field(default_factory=Search)
    figures: tuple[Figure, ...] = plain((), 'what to draw; () for one that suits the sweep')
    claims: tuple[Claim, ...] = plain((), 'what to test')
    published: tuple[PublishedNumber, ...] = plain(
        (), 'numbers of the document to show next to the measured ones, besides those of claims'
    )
    smallest: dict[str, float] = dataclasses.field(
        default_factory=dict,
        metadata={
            'rule': Rule('plain', 'by metric, the smallest difference that matters to claims on it')
        },
    )
    diverged: str = plain(
        'guess',
        'what a diverged run counts as in claims: a network that guesses, or nothing',
        choices=guess.MODES,
        older='drop',
    )
    execution: Execution = dataclasses.field(default_factory=Execution)

    @property
    def plain(self) -> Study | None:
        """The plain function that is called for each run; None if networks are trained."""
        return studies.of(self.base)

    @property
    def derivations(self) -> tuple[Derivation, ...]:
        """What is made of the results, in this order, each with its options."""
        return tuple(
            self.options[name] if name in self.options else DERIVATIONS[name]()
            for name in self.derive
        )

    # Found once: a sweep may have 10^5 runs, whose names take long. Nobody may change the lists.

    @functools.cached_property
    def points(self) -> list[Point]:
        """The settings of the sweep, each by all the fields that are swept, none twice."""
        found = [point for points in self.points_by_round for point in points]
        return list({tuple(point.items()): point for point in found}.values())

    @functools.cached_property
    def points_by_round(self) -> list[list[Point]]:
        """The same, of each round of a search; all in one if there is none."""
        parts = [expand(part) for part in parts_by_round(self.sweep)]
        swept = dict.fromkeys(name for part in parts for point in part for name in point)
        base = {name: trace.get(self.base, name) for name in swept}
        return [[base | point for point in part] for part in parts]

    @property
    def rounds_to_come(self) -> int:
        """How many rounds of its search there are still to be."""
        return max(0, self.search.rounds - len(self.points_by_round))

    @functools.cached_property
    def runs(self) -> list[Run]:
        """Every setting with every seed."""
        return self.runs_of(self.points)

    def runs_of(self, points: Sequence[Point]) -> list[Run]:
        """Every one of these settings with every seed."""
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return all_runs(self.base, points, seeds)

    def as_now(self, known: Callable[[Part], str | None] = lambda part: None) -> 'Experiment':
        """With its registered parts as they are now; see `Parts.as_now`."""
        base = dataclasses.replace(self.base, parts=self.base.parts.as_now(known))
        return dataclasses.replace(self, base=base)

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """Of the registered parts that count in some run, by their keys. Raises UserError."""
        found = {}
        for run in self.runs[:: self.seeds]:
            acting = [part for part, _ in trace.acting(run.setting) if not part.built_in]
            found |= {part.key: part.digest for part in acting if part.digest}
        return found

    @property
    def asked(self) -> 'Experiment':
        """The experiment as it was asked, without the rounds that a search has come to."""
        return dataclasses.replace(self, sweep=parts_by_round(self.sweep)[0])

    def grown(self, later: Sequence[Sweep]) -> 'Experiment':
        """With the further rounds that its search has come to."""
        return dataclasses.replace(self, sweep=rounds(self.sweep, *later)) if later else self


def build(
    values: Mapping[str, Any] | ConfigDict,
    *,
    overrides: Iterable[str] = (),
    sections: Iterable[str] = (),
    on_record: bool = False,
) -> Experiment:
    """The experiment of a config, checked as far as it can be without data.

    Args:
      values: the config.
      overrides: dotted names of the keys that were set besides the config's own.
      sections: of the keys in sections that were set as a whole.
      on_record: whether its runs are there already. Then it is only read, and what has no effect in
        it does no harm any more.

    Raises:
      UserError: see `config.build.from_dict`; or the fields do not go together, one of them has no
        effect, or a figure or claim asks for what the sweep does not have.
    """
    values = values.to_dict() if isinstance(values, ConfigDict) else values
    experiment, overrides = from_dict(Experiment, _with_parts(values)), list(overrides)
    if not re.fullmatch(NAME, experiment.name):
        raise UserError(
            f'name: {experiment.name!r} is not allowed; it must be letters, digits, - and _'
        )
    experiment = dataclasses.replace(
        experiment,
        figures=_named(experiment),
        claims=claims_lib.with_smallest(experiment.claims, experiment.smallest),
    )
    points = experiment.points
    _check_swept(points[0])
    settings = [run.setting for run in experiment.runs[:: experiment.seeds]]
    check_settings(settings)
    if not on_record:
        _check_effect(experiment, settings, overrides, sections)
    _check_splits(experiment, settings)
    _check_targets(experiment, settings)
    _check_read(experiment)
    experiment = dataclasses.replace(experiment, options=experiment.options.only(experiment.derive))
    if study := experiment.plain:
        for setting in settings:
            study.check(setting)
    _check_search(experiment, settings)
    recorded = metrics_of(settings)
    if experiment.search.rungs:
        recorded |= Recorded(finals=(search_lib.DROPPED,))
    derivations = experiment.derivations, experiment.base
    chosen = () if on_record else derive_lib.selected(points, *derivations)
    points, recorded = derive_lib.plan(points, recorded, *derivations)
    if not experiment.figures:
        usual = measured.usual(experiment.base).name
        names, with_test = dict(experiment.names), not experiment.search.rounds
        drawn = figure_default.default(points, recorded, names, usual, with_test)
        experiment = dataclasses.replace(experiment, figures=drawn)
    figures_lib.check(experiment.figures, points, recorded)
    _check_table(experiment, recorded)
    known = {
        'curves': recorded.all_curves, 'finals': recorded.all_finals, 'epochs': recorded.epochs
    }  # fmt: skip
    claims_lib.check(experiment.claims, points, **known, selected=chosen)
    published_lib.check(experiment.published, points, **known)
    if not on_record:
        claims_lib.check_sentences(experiment.claims)
        _check_matched(experiment, points, recorded, named='sweep' not in overrides)
    return experiment


def _check_swept(names: Iterable[str]) -> None:
    """Whether fields may be swept. Raises UserError."""
    for name in names:
        if name in _ONE_FOR_ALL:
            raise UserError(f'sweep: {name} cannot be swept; an experiment has one data set')
        if name == 'study.name':
            raise UserError(f'sweep: {name} cannot be swept; an experiment is one study')


def _check_table(experiment: Experiment, recorded: Recorded) -> None:
    """Whether there is what its table shows. Raises UserError."""
    for metric in experiment.table:
        if metric not in recorded.all_finals:
            hint = did_you_mean(metric, recorded.all_finals)
            raise UserError(f"table: no final metric '{metric}'; {hint}")


def changed(values: Mapping[str, Any] | ConfigDict, changes: Mapping[str, Any]) -> Experiment:
    """The experiment of a config some of whose keys are set to other values.

    Args:
      values: the config; it stays as it is.
      changes: by dotted name the value of a key, or a mapping for a whole section.

    Raises:
      UserError: see `build`; or there is no such key.
    """
    values = values.to_dict() if isinstance(values, ConfigDict) else values
    for name, value in changes.items():
        check_key(name)
        values = _put(values, name.split('.'), value)
    sections = [name for name, value in changes.items() if isinstance(value, Mapping | ConfigDict)]
    parts_of = [part for name in sections for part in _leaves(name, changes[name])]
    overrides = [name for name in changes if name not in sections]
    return build(values, overrides=overrides, sections=parts_of)


def _put(values: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    if not isinstance(values, Mapping | ConfigDict):
        raise UserError(f'changes: {first} cannot be set in {values!r}; it must be a set of keys')
    return {**values, first: _put(values.get(first, {}), rest, value) if rest else value}


def _leaves(name: str, values: Any) -> list[str]:
    """The dotted names of all keys in a section."""
    if not isinstance(values, Mapping | ConfigDict):
        return [name]
    return [leaf for key, value in values.items() for leaf in _leaves(f'{name}.{key}', value)]


def _with_parts(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config with its sections of parts in one, as a setting has them."""
    if not isinstance(values, Mapping):
        return values
    known = keys(Experiment)
    sections, own = parts.sections(known), values.get(parts.SECTION, {})
    if not isinstance(own, Mapping):
        raise UserError(
            f'{parts.SECTION}: {own!r} is not a set of keys (it should be a dict of the parameters '
            'of parts)'
        )
    for key, value in values.items():
        for field in value if isinstance(value, Mapping) else ():
            parts.check_not_moved(f'{key}.{field}', f'{key}.{field}')
        if key not in sections and key not in known:
            hint = did_you_mean(str(key), [*known, *sections])
            raise UserError(f"{key}: unknown key '{key}'; {hint}")
    of_parts = {name: values[name] for name in values if name in sections}
    rest = {name: value for name, value in values.items() if name not in sections}
    return rest | {parts.SECTION: {**own, **of_parts}}


def _check_effect(
    experiment: Experiment,
    settings: Sequence[Setting],
    overrides: Iterable[str],
    sections: Iterable[str],
) -> None:
    """Whether all that is set, swept and overridden has an effect. Raises UserError."""
    study = experiment.plain
    why = study.reason if study else effect.reason
    effect.check_overrides(overrides, sections, experiment.base, experiment.sweep, why)
    effect.check_swept(experiment.base, experiment.sweep, why)
    effect.check_given(settings, why)
    if not study:
        check_reach(settings)


def _check_matched(
    experiment: Experiment, points: Sequence[Point], recorded: Recorded, named: bool
) -> None:
    """Whether names (if `named`) and conditions are of settings there are. Raises UserError."""
    every, names = [*experiment.points, *points], dict(experiment.names)
    matched.check_names(names if named else (), every, 'names')
    for figure in experiment.figures:
        own = [key for key in figure.names if key not in names]
        matched.check_names(own if named else (), every, f"figure '{figure.name}': names")
        if kind_of(figure).shows_settings:
            matched.check_figure(figure, points, recorded.epochs)
    for claim in experiment.claims:
        matched.check_claim(claim, points)
    for number in experiment.published:
        matched.check_published(number, points)


def _check_read(experiment: Experiment) -> None:
    """Whether something reads what is set besides the settings themselves. Raises UserError."""
    for name, why in _unread(experiment).items():
        section, field = name.split('.')
        known = experiment.options
        given = known[section] if section in known else getattr(experiment, section)
        if getattr(given, field) != getattr(type(given)(), field):
            raise UserError(f'{name}: {getattr(given, field)!r} has no effect because {why}')


def _unread(experiment: Experiment) -> dict[str, str]:
    """The dotted names of keys that nothing reads, and why."""
    found = {}
    for name, derivation in experiment.options.items():
        if name not in experiment.derive:
            why = f"derive does not have '{name}'"
            found |= dict.fromkeys(_keys(name, derivation), why)
    if experiment.search.rounds < 2:
        why = f'search.rounds is {experiment.search.rounds}; further rounds read it'
        found |= dict.fromkeys(('search.samples', 'search.zoom'), why)
    if not experiment.search.rungs:
        found['search.keep'] = 'search.rungs is ()'
    if experiment.plain:
        why = f"the study '{experiment.base.study.name}' trains nothing in groups"
        found |= dict.fromkeys(_keys('execution', experiment.execution), why)
    return found


def _keys(section: str, of: Any) -> list[str]:
    return [f'{section}.{field.name}' for field in dataclasses.fields(of)]


def _check_splits(experiment: Experiment, settings: Sequence[Setting]) -> None:
    """Whether all that needs one split of the data has one. Raises UserError."""
    swept = [name for name in _SPLIT if len({trace.get(s, name) for s in settings}) > 1]
    needs = [
        f'a figure of kind {figure.kind!r}'
        for figure in experiment.figures
        if kind_of(figure).of_one_split
    ]
    needs += ['train.keep_logits'] * any(setting.train.keep_logits for setting in settings)
    needs += [f"the study '{experiment.base.study.name}'"] * (experiment.plain is not None)
    if swept and needs:
        raise UserError(
            f'sweep: {swept[0]} cannot be swept with {needs[0]}, which is of one split of the '
            'data; omit one of the two'
        )


def _check_targets(experiment: Experiment, settings: Sequence[Setting]) -> None:
    """Whether one kind of targets is trained on, and figures show what it has. Raises UserError."""
    found = {measured.targets_of(setting): setting.loss.name for setting in settings}
    if len(found) > 1:
        raise UserError(
            f'sweep: the losses {", ".join(map(repr, found.values()))} take targets of different '
            'kinds, and an experiment has one data set'
        )
    kind = next(iter(found))
    for figure in experiment.figures if kind != parts.CLASSES else ():
        if figure.kind == 'labels':
            raise UserError(
                f"figure '{figure.name}': kind 'labels' shows classes, and the targets of "
                f'loss.name {found[kind]!r} are {measured.WORDS[kind]}'
            )


def _check_search(experiment: Experiment, settings: Sequence[Setting]) -> None:
    """Whether what an experiment says of a search goes together. Raises UserError."""
    search = experiment.search
    search_lib.check(search, settings, experiment.points)
    if search.rounds and experiment.plain:
        raise UserError('search: chooses among networks that are trained; leave search.rounds at 0')
    if search.rungs and (experiment.derive or experiment.claims):
        what = 'derive' if experiment.derive else 'claims'
        raise UserError(
            f'search.rungs: the settings are trained unequally long, so {what} cannot compare '
            'them; omit one of the two'
        )


def _named(experiment: Experiment) -> tuple[Figure, ...]:
    """The figures, with the experiment's words where they have none of their own."""
    names = dict(experiment.names)
    return tuple(
        dataclasses.replace(figure, names=names | figure.names) for figure in experiment.figures
    )


def check_key(path: str) -> None:
    """Whether configs have a key of this dotted name. Raises UserError, naming the nearest."""
    _declared(path)


def check_value(path: str, value: Any) -> None:
    """Whether the key of this dotted name takes the value. Raises UserError."""
    kind, rule = _declared(path)
    if dataclasses.is_dataclass(kind):
        raise UserError(f'config.{path}: is a set of keys; set one of them, as config.{path}.x=…')
    convert(value, kind, rule, f'config.{path}')


def _declared(path: str) -> tuple[Any, Rule | None]:
    """The type and the rule of the key with this dotted name. Raises UserError."""
    if path in parts.FIELDS:
        return parts.FIELDS[path].type, parts.FIELDS[path].rule
    parts.check_not_moved(path, f'config.{path}')
    parts.sections(keys(Experiment))
    cls, rule, names = Experiment, None, path.split('.')
    for part in names:
        known = keys(cls) if dataclasses.is_dataclass(cls) else {}
        if part not in known:
            raise UserError(unknown.complaint(path, every_key()[1]))
        cls, field = known[part]
        rule = rule_of(field)
    return cls, rule


def every_key() -> tuple[list[str], list[str], list[str]]:
    """The fields that can be swept, all keys of a config that are no sections, and former keys."""

    def leaves(cls: type, prefix: str) -> Iterator[str]:
        for name, (kind, _) in keys(cls).items():
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                yield from leaves(kind, f'{prefix}{name}.')
            elif name != parts.SECTION:
                yield f'{prefix}{name}'

    fields = [name for name in trace.FIELDS if name not in _ONE_FOR_ALL]
    former = {field.rule.former for field in parts.FIELDS.values()} - {''}
    known = {*leaves(Experiment, ''), *parts.FIELDS}
    return sorted(fields), sorted(known), sorted({*former, *parts.RENAMED})


def default_config(name: str) -> ConfigDict:
    """A config with every key at its default, for a config file to fill in."""
    default = Experiment(name=name)
    options = {name: dataclasses.asdict(one) for name, one in default.options.items()}
    values = dataclasses.asdict(default)
    del values['options']
    values = values.pop('base') | values | options
    del values[parts.SECTION]
    parts.sections(values)
    return ConfigDict(values | parts.defaults())
