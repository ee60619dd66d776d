"""The contract of every part, for tests: `check_part` holds one's own to it as the built-in ones.

    from jaxtweaks.testing import check_part

    def test_mine():
        check_part('mine')

A training of three steps that compiles in seconds is swept over the part's traced parameters.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks.base import pinned
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import effect, layers, measured, parts, settings, trace
from jaxtweaks.config.fields import Field
from jaxtweaks.config.settings import Setting
from jaxtweaks.config.slots import SLOTS
from jaxtweaks.data.split import folds_of
from jaxtweaks.run import executables
from jaxtweaks.run.compiled import stack_runs
from jaxtweaks.run.plan import Run
from jaxtweaks.train import evaluate
from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.measures import measures_of
from jaxtweaks.train.program import Program

_IMAGES, _CLASSES, _FOLDS = 22, 3, 4
_ROWS = 4  # at most so many runs side by side
# Height and width of the images, the first that a network takes.
_SIZES = ((8, 8), (32, 32), (264, 1))
# Runs alone and side by side multiply matrices of different shapes.
_RTOL, _ATOL = 2e-3, 1e-4
# Further from a value, in this order, to find others that are allowed.
_AWAY = (0.5, 1.0, 0.1, -0.5, -0.1)

Values = Mapping[str, Any]


def check_part(
    part: str | Callable[..., Any],
    slot: str | None = None,
    *,
    values: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Whether a part keeps what all parts promise.

    Where a parameter is off, as a number that the program is given, all is bitwise as in the
    program without it; a sweep over all its traced parameters compiles once; each of them changes
    the weights, the outputs at test or, of a metric, its value there, which stay finite; and a run
    side by side with others is the run alone, but for rounding.

    Args:
      part: its name, or the function or module that was registered.
      slot: the slot it is of, where several slots have a part of this name.
      values: by parameter what to try, () where three steps of training cannot show it; of a
        static parameter the first is taken throughout. Others are tried near the defaults.

    Raises:
      AssertionError: it does not, and in what.
      UserError: there is no such part, or it cannot be called, or it is a study.
    """
    slot, name = _found(part, slot)
    given = dict(values or {})
    known, what = parts.of_slot(slot)[name], f"{slot} '{name}'"
    if slot == 'study':
        raise UserError(f'check_part: {what}: a study is not trained; call it and compare numbers')
    for parameter in given:
        if parameter not in known.parameters:
            hint = did_you_mean(parameter, known.parameters)
            raise UserError(f"{what}: values: no parameter '{parameter}'; {hint}")
    kinds = {field: one.rule.kind for field, one in known.fields.items()}
    swept = [field for field, kind in kinds.items() if kind == 'traced']
    tried = {known.field(parameter): one for parameter, one in given.items()}
    fixed = {field: one[0] for field, one in tried.items() if field not in swept}
    if chooser := SLOTS[slot].field:
        fixed[chooser] = (name,) if SLOTS[slot].several else name
    if slot == 'norm':  # of maps alone: there all that normalise an image by itself can be
        fixed |= {'model.name': 'cnn', 'model.channels': (4,), 'model.hidden': ()}
    if slot == 'network':  # deep ones enlarge what is rounded, the more the longer the steps are
        fixed |= {'optim.learning_rate': 1e-3, 'model.norm': 'none'}
    if slot == 'metric':
        fixed['loss.name'] = _loss_for(known)
    if known.facts.get('where') == 'conv':
        fixed['model.name'] = 'cnn'
    base = trace.replace(base_of(*swept), fixed)
    away = {field: one for field, one in tried.items() if field in swept}
    check_fields(swept, base, values=away, what=what)


def base_of(*fields: str) -> Setting:
    """A small setting in which the fields (dotted names) are read and all that can be is off.

    With momentum in the optimiser, so that its state holds every gradient so far.
    """
    base = Setting(
        data=settings.Data(train_size=_IMAGES, validation_size=_IMAGES),
        model=settings.Model('mlp', channels=(2,), hidden=(7,), norm='batch', norm_place='after'),
        optim=settings.Optim('momentum', learning_rate=0.02),
        train=settings.Train(batch_size=8, epochs=2, train_eval_size=9),
    )
    values: dict[str, Any] = {}
    for name in fields:
        rule = trace.FIELDS[name].rule
        if rule.when is not None:
            values[rule.when[0]] = rule.when[1][0]
        if name in parts.strengths():
            values[name] = rule.off  # what acts with others is named
    return trace.replace(base, values)


def check_fields(
    fields: Sequence[str],
    base: Setting,
    *,
    values: Mapping[str, Sequence[Any]] | None = None,
    what: str = '',
    watching: bool = False,
    epochs: bool = False,
) -> None:
    """`check_part` of some traced fields of a setting.

    Args:
      fields: dotted names.
      base: in which they are read, and those that can be are off.
      values: by dotted name what to try.
      what: is named in complaints; the fields if it is ''.
      watching: whether they only watch, so that no weight changes by them.
      epochs: whether it takes an epoch, with its order of images and its evaluation, for them to
        act.

    Raises:
      AssertionError: see `check_part`.
    """
    what = what or ', '.join(fields)
    off = trace.off_everywhere([base])
    rows = _rows(fields, base, values or {})
    with pinned.pinned():
        omittable = bool(off & set(fields))
        # Only what is compared bit by bit must be the program that trains.
        options = executables.FAST_CPU if omittable else executables.QUICKEST_COMPILE
        together = _ROWS if omittable else min(len(rows), _ROWS)
        traced = _Trained(base, off - set(fields), epochs, together, options)
        found = traced.side_by_side([trace.replace(base, row.values) for row in rows])
        if traced.traces != 1:
            raise AssertionError(f'{what}: a sweep compiles {traced.traces} times, not once')
        for row, run in zip(rows, found, strict=True):
            bad = [path for path, leaf in run.items() if not np.all(np.isfinite(leaf))]
            if bad:
                raise AssertionError(f'{what}: {row.words(base)}: {bad[0]} is not finite')
            if row.other is not None and not watching:
                _check_counts(row, run, found[row.other], f'{what}: {row.words(base)}')
        if omittable:
            plain = _omitted(_without(base, off), off, epochs, tuple(options.items()))
            if differs := _differing(found[0], plain, fields):
                raise AssertionError(
                    f'{what}: off as a number that the program is given, {differs[0]} is not '
                    'bitwise as in the program without it'
                )
        alone = traced.alone(trace.replace(base, rows[-1].values))
    for path, leaf in found[-1].items():
        if not np.allclose(leaf, alone[path], rtol=_RTOL, atol=_ATOL):
            raise AssertionError(
                f'{what}: {rows[-1].words(base)}: {path} is another one in a run alone'
            )


class _Row(NamedTuple):
    """A run of the sweep: what it sets, and the row that it must differ from."""

    values: Values
    other: int | None = None

    def words(self, base: Setting) -> str:
        return ', '.join(f'{name} = {value!r}' for name, value in self.values.items()) or 'off'


def _rows(fields: Sequence[str], base: Setting, given: Mapping[str, Sequence[Any]]) -> list[_Row]:
    """The base, and each field at some other values; of a part that is off with its strength."""
    rows, on = [_Row({})], {}
    order = sorted(fields, key=lambda name: name not in parts.strengths())
    for name in order:
        other = 0
        with_others: Values = {}
        if name not in parts.strengths():
            with_others = on.get(name.partition('.')[0], {})
            other = next(i for i, row in enumerate(rows) if row.values == with_others)
        near = _others(trace.get(base, name), trace.FIELDS[name])
        tried = given.get(name, near)
        for value in tried:
            one = trace.replace(base, {**with_others, name: value})
            if effect.reason(one, name) is None:
                rows.append(_Row({**with_others, name: value}, other))
        if name in parts.strengths() and len(rows) > 1:
            on[name.partition('.')[0]] = rows[-1].values
    return rows


def _others(value: Any, declared: Field) -> list[Any]:
    """Two allowed values besides this one; a bound only where it is that of an off value too."""
    kind, rule = declared.type, declared.rule
    if rule.choices is not None:
        return [one for one in rule.choices if one != value][:2]
    if kind is int:
        near: Iterable[Any] = (value + step for step in (1, 2, -1))
    else:
        near = (value + step for step in _AWAY)
    inside = lambda one: rule.off is not None or one not in (rule.low, rule.high)
    return [one for one in near if rule.admits(one) and one != value and inside(one)][:2]


def _check_counts(row: _Row, run: Values, other: Values, begin: str) -> None:
    counted = "['params']", "['logits']", "['metrics']"
    seen = [path for path in run if path.startswith(counted)]
    if all(np.array_equal(run[path], other[path]) for path in seen):
        raise AssertionError(
            f'{begin}: changes no weight, no output and no metric in three steps of training'
        )


def _differing(a: Values, b: Values, fields: Iterable[str]) -> list[str]:
    """What is not bitwise the same; without what only one of two programs keeps."""
    kept = {'train.ema_decay': 'ema', 'train.swa_start': 'swa'}
    gone = tuple(f"['{word}" for name, word in kept.items() if name in fields)
    a = {path: leaf for path, leaf in a.items() if not (gone and path.startswith(gone))}
    if a.keys() != b.keys():
        return sorted(a.keys() ^ b.keys())
    return [path for path in a if a[path].tobytes() != b[path].tobytes()]


class _Trained:
    """Three steps of training, compiled once for runs side by side; the logits after it, and what
    metrics of `train.metrics` make of them.

    With `epochs` the steps are an epoch, of images in an order of its own, which is evaluated.
    """

    def __init__(
        self,
        base: Setting,
        off: frozenset[str],
        epochs: bool,
        together: int,
        options: dict[str, Any],
    ):
        """`together`: runs side by side in a program, compiled with `options`."""
        self._off, self.traces = off, 0
        self._together, self._options = together, options
        self._program = Program(trace.split(base, off)[0], _IMAGES, _CLASSES)
        self._data = _data(_size(base), measured.targets_of(base))
        self._function = self._epoch if epochs else self._steps
        self._vmapped = jax.vmap(self._counted, (0, 0, 0, None, None))
        self._train: Callable[..., Any] | None = None
        self._init: Callable[..., Any] | None = None

    def _counted(self, *args):
        self.traces += 1
        return self._function(*args)

    def _steps(self, hyper, seed, state, data, stop):
        size, training = self._program.static.train.batch_size, data.training

        def batch_of(i):
            # By the seed, so that each run has images of its own, as in an epoch's order.
            chosen = jnp.mod(seed.astype(jnp.int32) + i * size + jnp.arange(size), _IMAGES)
            return data.standardised(training.images[chosen]), training.labels[chosen]

        state = self._program.steps_on(hyper, seed, state, batch_of, jnp.int32(0), stop)
        network = self._program.at_rest(hyper, state.variables)
        logits = network(data.standardised(data.test.images))
        return state, {'logits': logits, 'metrics': self._measured(hyper, logits, data)}

    def _measured(self, hyper, logits, data):
        """The metrics that the setting asks for, of the test split, by name."""
        if not (asked := self._program.static.train.metrics):
            return {}
        measures = measures_of(self._program.setting(hyper))
        found = evaluate.measured(logits, data, data.test, measures)
        return {name: found[name] for name in asked}

    def _epoch(self, hyper, seed, state, data, stop):
        zero = jnp.int32(0)
        state = self._program.advance(hyper, seed, state, data, zero, zero, stop)
        return self._program.end_epoch(hyper, seed, state, data, zero)

    @functools.cached_property
    def _stop(self) -> np.int32:
        return np.int32(self._program.steps_per_epoch)

    def side_by_side(self, runs: Sequence[Setting]) -> list[dict[str, np.ndarray]]:
        """What there is after three steps, of each run a flat dict of arrays by path."""
        found = []
        for start in range(0, len(runs), self._together):
            some = list(runs[start : start + self._together])
            hyper, seeds = self._columns(some + some[-1:] * (self._together - len(some)))
            args = hyper, seeds, self._started(hyper, seeds), self._data, self._stop
            after = jax.tree.map(np.asarray, self._compile(args)(*args))
            row = lambda i, after=after: jax.tree.map(lambda leaf: leaf[i], after)
            found += [_flat(row(i)) for i in range(len(some))]
        return found

    def alone(self, run: Setting) -> dict[str, np.ndarray]:
        """The same of one run, not vmapped."""
        columns = self._columns([run] * self._together)
        own = jax.tree.map(lambda leaf: leaf[0], (*columns, self._started(*columns)))
        args = *own, self._data, self._stop
        # Not optimised, since it is compared within rounding.
        function = _compiled(self._function, args, executables.QUICKEST_COMPILE)
        return _flat(jax.tree.map(np.asarray, function(*args)))

    def _columns(self, runs: Sequence[Setting]) -> tuple[trace.Hyper, np.ndarray]:
        return stack_runs([Run({}, one, 0) for one in runs], self._off)

    def _compile(self, args: tuple[Any, ...]) -> Callable[..., Any]:
        if self._train is None:
            self._train = _compiled(self._vmapped, args, self._options)
        return self._train

    def _started(self, hyper: trace.Hyper, seeds: np.ndarray) -> Any:
        args = hyper, seeds, self._data
        if self._init is None:
            init = jax.vmap(self._program.init, (0, 0, None))
            self._init = _compiled(init, args, executables.QUICK_COMPILE)
        return jax.tree.map(np.asarray, self._init(*args))


@functools.lru_cache(maxsize=8)
def _omitted(
    base: Setting, off: frozenset[str], epochs: bool, options: tuple[tuple[str, Any], ...]
) -> dict[str, np.ndarray]:
    """What there is of the program without all that is off; parts with one base share it."""
    return _Trained(base, off, epochs, _ROWS, dict(options)).side_by_side([base])[0]


def _without(base: Setting, off: frozenset[str]) -> Setting:
    """The setting, without naming those parts that act with others and are off."""
    named = {name: value for name, value in base.parts.items() if name not in off}
    return dataclasses.replace(base, parts=parts.Parts(named, base.parts.bound))


def _compiled(
    function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> Callable[..., Any]:
    return executables.compiled(jax.jit(function).lower(*args), options)


def _flat(tree: Any) -> dict[str, np.ndarray]:
    return {jax.tree_util.keystr(path[1:]) or str(path): leaf for path, leaf in _leaves(tree)}


def _leaves(tree: Any):
    state, metrics = tree
    # How an optimiser nests its state is no result: chains may have a member less.
    found = {**state.to_tree(), 'opt_state': jax.tree.leaves(state.opt_state)} | metrics
    return jax.tree_util.tree_leaves_with_path((found,))


def _size(base: Setting) -> tuple[int, int]:
    """Height and width of images that the network takes."""
    if layers.made_of(base.model) == 'dense':
        return 4, 4
    fits = layers.network(base.model).facts.get('fits', lambda model, size: '')
    return next((size for size in _SIZES if not fits(base.model, size)), _SIZES[-1])


def _loss_for(metric: parts.Part) -> str:
    """A loss whose targets a metric is of."""
    wanted = metric.facts.get('targets') or parts.CLASSES  # '' fits all
    losses = parts.of_slot('loss').values()
    return next(one.name for one in losses if one.facts.get('targets', parts.CLASSES) == wanted)


@functools.cache
def _data(size: tuple[int, int], targets: str) -> DeviceData:
    """Images in which the class is the brightest row: separable; with folds.

    Args:
      size: height and width of the images.
      targets: the classes themselves, or for other losses 1 for the class and 0 for the others.
    """
    rng = np.random.default_rng(0)

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        labels = rng.permutation(np.arange(_IMAGES) % _CLASSES)
        images = rng.integers(0, 90, (_IMAGES, *size, 1))
        images[np.arange(_IMAGES), labels + 1] += 120
        return np.asarray(images, np.uint8), np.asarray(labels, np.int32)

    def split(images: np.ndarray, labels: np.ndarray) -> DeviceSplit:
        given = labels if targets == parts.CLASSES else np.eye(_CLASSES, dtype=np.float32)[labels]
        return DeviceSplit(jnp.asarray(images), jnp.asarray(given))

    splits = drawn(), drawn(), drawn()
    images, labels = splits[0]
    pixels = np.asarray(images, np.float32)
    mean, inverse = jnp.asarray(pixels.mean(0)), jnp.asarray(1 / (pixels.std(0) + 1))
    folds = jnp.asarray(folds_of(labels, _FOLDS, 'stratified'))
    training, validation, test = (split(*one) for one in splits)
    data = DeviceData(training, validation, test, mean, inverse, folds=folds)
    return jax.tree.map(np.asarray, data)  # kept on no device


def _found(part: str | Callable[..., Any], slot: str | None) -> tuple[str, str]:
    """Slot and name of a registered part. Raises UserError."""
    by_slot = {one: {n: known.build for n, known in parts.of_slot(one).items()} for one in SLOTS}
    if slot is not None and slot not in by_slot:
        raise UserError(f"check_part: no slot '{slot}'; {did_you_mean(str(slot), by_slot)}")
    among = {slot: by_slot[slot]} if slot else by_slot
    found = [
        (one, name)
        for one, known in among.items()
        for name, build in known.items()
        if (name == part if isinstance(part, str) else build is part)
    ]
    if not found:
        names = [name for known in among.values() for name in known]
        raise UserError(f'check_part: no part {part!r}; {did_you_mean(str(part), names)}')
    if len(found) > 1:
        of = ' and '.join(one for one, _ in found)
        raise UserError(
            f'check_part: {part!r} is a part of {of}; say which, as slot={found[0][0]!r}'
        )
    return found[0]
