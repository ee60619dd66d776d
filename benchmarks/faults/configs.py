"""Generated configs: each is a plan, or one line of complaint with nothing written.

    pip install -e '.[test]'
    python -m benchmarks.faults.configs [--examples 2000] [--plans 20] [--seed 0]

Most are nearly right: fields set to values that are allowed by themselves, sweeps over such,
figures and claims of them, and sometimes one thing that is wrong. A complaint is asked for on the
command line (exit code 2, one line); of those that are accepted, `--plans` are planned to the end
(--dry_run), with data, compilation and measurement.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import tempfile
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from jaxtweaks import app
from jaxtweaks.base.errors import UserError
from jaxtweaks.claims.claim import KINDS
from jaxtweaks.config import trace
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.config_file import one_line
from jaxtweaks.lab import experiment

_FILE = """from benchmarks.faults import configs


def get_config(size=None):
    return configs.current
"""
current: dict[str, Any] = {}

_SMALL = {
    'data': {'name': 'digits', 'train_size': 40, 'validation_size': 20, 'test_size': 20},
    'model': {'name': 'mlp', 'hidden': (4,)},
    'train': {'batch_size': 10, 'epochs': 2, 'train_eval_size': 10},
    'execution': {'batching': 'map'},
}
_METRICS = ('test_accuracy', 'test_loss', 'validation_loss', '1-test_accuracy', 'ema_test_loss')
_WRONG = st.sampled_from(
    [None, True, -1, 0, 1.5, float('nan'), float('inf'), 10**400, '', 'a\nb', '$x', (), ('x',), {}]
    + [{'x': 1}, object(), b'x', 2**40]
)
_WORDS = st.sampled_from(['', 'a word', 'two\nlines', '<b>', '$\\frac{', 'ü', '%s', '{0}', "'"])


def _inside(low: float, high: float) -> tuple[float, float]:
    """The outermost float32 numbers within bounds, which may be none themselves."""
    least, most = np.float32(low), np.float32(high)
    if least < low:
        least = np.nextafter(least, np.float32(np.inf))
    if most > high:
        most = np.nextafter(most, np.float32(-np.inf))
    return float(least), float(most)


def allowed(name: str) -> st.SearchStrategy:
    """Values that a field of a setting allows by itself."""
    kind, rule = trace.FIELDS[name].type, trace.FIELDS[name].rule
    low = rule.low if rule.low is not None else rule.above if rule.above is not None else 0
    high = rule.high if rule.high is not None else 40

    def one(kind: Any) -> st.SearchStrategy:
        if rule.choices is not None:
            return st.sampled_from(rule.choices)
        if kind is bool:
            return st.booleans()
        if kind is int:
            return st.integers(int(low), int(min(high, low + 12)))
        if kind is float:
            numbers = st.floats(*_inside(low, high), exclude_min=rule.above is not None, width=32)
            return st.one_of(numbers, st.integers(int(low) + 1, max(int(high), int(low) + 1)))
        return st.sampled_from(['', 'Dense_0/kernel', 'nowhere'])

    if typing.get_origin(kind) is tuple:
        return st.lists(one(typing.get_args(kind)[0]), max_size=3).map(tuple)
    return one(kind)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config with a few fields set, perhaps a sweep, a figure, a claim, and something wrong."""
    fields = st.sampled_from(sorted(trace.FIELDS))
    config: dict[str, Any] = {'name': 'x', **{k: dict(v) for k, v in _SMALL.items()}}
    config['seeds'] = draw(st.integers(1, 3))
    chosen = draw(st.lists(fields, max_size=3))
    swept = draw(st.lists(fields, max_size=2, unique=True))
    for name in [*chosen, *swept]:
        section, field = name.split('.')
        config.setdefault(section, {})[field] = draw(allowed(name))
        rule = trace.FIELDS[name].rule
        if rule.when is not None and draw(st.integers(0, 9)):  # what makes something read it
            section, field = rule.when[0].split('.')
            config.setdefault(section, {})[field] = draw(st.sampled_from(rule.when[1]))
    values = {name: draw(st.lists(allowed(name), min_size=1, max_size=3)) for name in swept}
    grids = [('grid', name, tuple(values[name])) for name in swept]
    kind = draw(st.sampled_from(['product', 'zip', 'union']))
    config['sweep'] = draw(st.sampled_from([(kind, *grids), *grids, ()]))
    if draw(st.booleans()):
        config['figures'] = (draw(_figures(swept)),)
    if draw(st.booleans()):
        config['claims'] = (draw(_claims(values)),)
    if draw(st.integers(0, 4)) == 4:
        where = draw(st.sampled_from(sorted({*config, *to_dict(_defaults())})))
        inside = config.get(where)
        if isinstance(inside, dict) and inside and draw(st.booleans()):
            inside[draw(st.sampled_from([*inside, 'no such']))] = draw(_WRONG)
        else:
            config[where] = draw(_WRONG)
    return config


def _defaults() -> experiment.Experiment:
    return experiment.Experiment(name='x')


def _figures(swept: Sequence[str]) -> st.SearchStrategy:
    names = st.sampled_from([*swept, '', 'train.epochs', 'seed', 'epoch'])
    return st.fixed_dictionaries(
        {
            'name': st.sampled_from(['f', 'f', '../f', 'a/b', '.', '']),
            'kind': st.sampled_from(
                ['curves', 'effect', 'confusion', 'labels', 'fit', 'reliability', 'boundary']
                + ['histogram']
            ),
            'title': _WORDS,
        },
        optional={
            'metrics': st.lists(st.sampled_from(_METRICS), max_size=2).map(tuple),
            'x': names,
            'hue': names,
            'where': st.dictionaries(names, _WRONG, max_size=1),
            'names': st.dictionaries(_WORDS, _WORDS, max_size=1),
            'log_x': st.booleans(),
            'caption': _WORDS,
        },
    )


def _claims(values: dict[str, list]) -> st.SearchStrategy:
    settings = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(found) for name, found in values.items()}
    )
    return st.fixed_dictionaries(
        {
            'sentence': _WORDS,
            'source': _WORDS,
            'kind': st.sampled_from(tuple(KINDS)),
            'metric': st.sampled_from(_METRICS),
        },
        optional={
            'a': settings,
            'b': settings,
            'where': settings,
            'along': st.sampled_from([*values, 'train.epochs', '']),
            'at': st.sampled_from(['final', 'best_epoch', 1, 2, 9]),
            'within': st.sampled_from([(0.0, 1.0), None]),
            'margin': st.one_of(st.floats(0, 1), _WRONG),
        },
    )


def outcome(config: dict[str, Any], folder: Path, plan: bool) -> str:
    """What becomes of a config; AssertionError if it is neither a plan nor a complaint.

    Args:
      config: what get_config returns.
      folder: an empty folder.
      plan: whether a config that is accepted is planned to the end.
    """
    try:
        found = experiment.build(config)
    except UserError as error:
        complaint = one_line(error)
        code, said = _dry_run(config, folder)
        assert (code, said.count('\n')) == (2, 1), (code, said, config)
        assert said == f'error: {complaint}\n', (said, complaint, config)
        return 'refused'
    json.dumps(to_dict(found), allow_nan=False)
    again = experiment.build(json.loads(json.dumps(to_dict(found))))
    assert [run.id for run in again.runs] == [run.id for run in found.runs], config
    if not plan:
        return 'accepted'
    code, said = _dry_run(config, folder)
    assert code in (0, 2), (code, said, config)
    assert 'Traceback' not in said, (said, config)
    return 'planned' if code == 0 else 'refused with the data'


def _dry_run(config: dict[str, Any], folder: Path) -> tuple[int, str]:
    global current
    current = config
    (folder / 'given.py').write_text(_FILE)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        argv = ['main.py', f'--config={folder / "given.py"}', f'--workdir={folder / "w"}']
        code = app.main([*argv, '--dry_run'])
    assert {path.name for path in folder.iterdir()} <= {'given.py', '__pycache__'}, config
    return code, out.getvalue()


def check(examples: int, plans: int, seed: int) -> collections.Counter[str]:
    """Generates and checks; returns how many configs came to what."""
    counts: collections.Counter[str] = collections.Counter()
    folder = tempfile.TemporaryDirectory()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(configs())
    def each(config: dict[str, Any]) -> None:
        plan = counts['planned'] < plans
        counts[outcome(config, Path(folder.name), plan)] += 1

    with folder:
        each()
    return counts


def main(argv: Sequence[str] | None = None) -> None:
    """Prints how many configs came to what; raises at the first that came to nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--examples', type=int, default=2000)
    parser.add_argument('--plans', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0)
    flags = parser.parse_args(argv)
    # No data are fetched: nothing listens on port 9.
    os.environ['JAXTWEAKS_MIRROR'] = 'http://127.0.0.1:9'
    print(dict(check(flags.examples, flags.plans, flags.seed)))


if __name__ == '__main__':
    # Not this module, which is called __main__: the config file imports it by its name.
    from benchmarks.faults import configs as module

    module.main()
