"""`stopping`: rules that stop training, tried on the recorded curves, as settings of their own.

The field 'stopping.rule' is the rule's name. Where the rule stops follows from curves that were
recorded (DEEPREG, When To Stop Training); what it costs, from the test set by epoch
(`train.test_curve`), which no rule sees:

stop_epoch   the epoch after which it stops; the last one if it never does
stopped      whether it did, 0 or 1
test_error   1 − test accuracy of the epoch whose parameters it keeps
regret       by how much that error is above the least of all epochs
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config.expand import Point
from jaxtweaks.config.fields import plain, required
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.derive.settings import picked, setting_of
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD = 'stopping.rule'
KINDS = ('epochs', 'threshold', 'drop', 'patience')
_FINALS = ('stop_epoch', 'stopped', 'test_error', 'regret')


@dataclasses.dataclass(frozen=True)
class Rule:
    """When to stop. Each kind reads the fields named behind it.

    epochs: after a fixed number of `epochs`.
    threshold: when `metric` is at most `level`.
    drop: when `metric` has fallen by at most the share `drop` within the last `window` epochs.
    patience: when `metric` has not fallen by more than `min_improvement` below its least value
      for `patience` epochs; the parameters of that least value are kept, those of the last epoch
      otherwise.
    """

    name: str = required('what it is called in tables and figures')
    kind: str = required('how it decides', choices=KINDS)
    metric: str = plain('', "a loss or an error ('1-train_accuracy') by epoch; '' by the kind")
    epochs: int = plain(0, 'epochs of training (epochs)', low=0)
    level: float | None = plain(None, "in the metric's unit (threshold)")
    window: int = plain(10, 'epochs over which a fall is measured (drop)', low=1)
    drop: float = plain(0.01, 'the least fall, as a share, that goes on (drop)', low=0.0)
    patience: int = plain(0, 'epochs without a better value (patience)', low=0)
    min_improvement: float = plain(0.0, 'by how much better counts (patience)', low=0.0)

    @property
    def watched(self) -> str:
        """The metric it goes by; '' for none."""
        usual = {'epochs': '', 'patience': 'validation_loss'}
        return self.metric or usual.get(self.kind, '1-train_accuracy')


@derivation('stopping')
class Stopping(Derivation):
    """Tries rules that stop training on the recorded curves."""

    rules: tuple[Rule, ...] = plain((), 'the rules')

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting with each rule. Raises UserError if a rule cannot be carried out."""
        if not self.rules:
            raise UserError("derive: 'stopping' needs stopping.rules")
        if len({rule.name for rule in self.rules}) < len(self.rules):
            raise UserError('stopping.rules: two rules have the same name')
        for point in points:
            if not setting_of(point, base).train.test_curve:
                raise UserError("derive: 'stopping' needs train.test_curve, the test set by epoch")
        for rule in self.rules:
            _check(rule)
        return [point | {FIELD: rule.name} for point in points for rule in self.rules]

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """The metrics by epoch, also as they were at the stop, and what the rules cost."""
        for rule in self.rules:
            if rule.watched and rule.watched not in recorded.all_curves:
                hint = did_you_mean(rule.watched, recorded.all_curves)
                raise UserError(
                    f"stopping rule '{rule.name}': no metric by epoch '{rule.watched}'; {hint}"
                )
        return dataclasses.replace(recorded, finals=(*recorded.curves, *_FINALS), arrays=())

    def results(self, results: Results, base: Setting) -> Results:
        """Each setting once for each rule; `chosen_epoch` is the one whose parameters are kept."""
        new = self.points(results.settings, base)
        shape = (len(results.settings), len(self.rules), len(results.seeds))
        stop, kept, fired = (np.full(shape, np.nan) for _ in range(3))
        error = 1 - results.curve('test_accuracy')
        for r, rule in enumerate(self.rules):
            watched = results.curve(rule.watched) if rule.watched else error
            for k, s in np.ndindex(*error.shape[:2]):
                # A run ends where its curves do; one that diverged is stopped by no rule.
                ended = int((np.isfinite(watched[k, s]) & np.isfinite(error[k, s])).sum())
                if ended and not results.diverged[k, s]:
                    found = stop_of(rule, watched[k, s, :ended])
                    stop[k, r, s], kept[k, r, s], fired[k, r, s] = found
        index = np.nan_to_num(kept).astype(int)[..., None]

        def at_kept(curve: np.ndarray) -> np.ndarray:
            values = np.take_along_axis(curve[:, None], index, axis=-1)[..., 0]
            return np.where(np.isfinite(kept), values, np.nan)

        finals = {name: at_kept(curve) for name, curve in results.curves.items()}
        finals |= {'stop_epoch': stop + 1, 'stopped': fired, 'test_error': at_kept(error)}
        least = np.fmin.reduce(error, axis=-1, initial=np.inf)
        finals['regret'] = finals['test_error'] - least[:, None]
        parents = np.repeat(np.arange(shape[0]), len(self.rules)).tolist()
        flat = {name: values.reshape(-1, shape[-1]) for name, values in finals.items()}
        found = picked(results, parents, new, flat)
        return dataclasses.replace(found, chosen_epoch=index.reshape(-1, shape[-1]) + 1)


class Stop(NamedTuple):
    """Where a rule stops a run: epochs counted from 0, and whether it did."""

    stop: int
    kept: int
    fired: bool


def stop_of(rule: Rule, curve: np.ndarray) -> Stop:
    """Where a rule stops.

    Args:
      rule: the rule.
      curve: what it watches by epoch, finite, [E] with E ≥ 1; for 'epochs' only E matters.
    """
    last = len(curve) - 1
    if rule.kind == 'epochs':
        stop = min(rule.epochs - 1, last)
        return Stop(stop, stop, rule.epochs - 1 <= last)
    if rule.kind == 'threshold':
        return _first(curve <= rule.level, 0)
    if rule.kind == 'drop':
        before, now = curve[: -rule.window], curve[rule.window :]
        return _first(before - now <= rule.drop * before, min(rule.window, last), last)
    best = 0
    for epoch in range(1, len(curve)):
        if curve[epoch] < curve[best] - rule.min_improvement:
            best = epoch
        elif epoch - best >= rule.patience:
            return Stop(epoch, best, True)
    return Stop(last, best, False)


def _first(fires: np.ndarray, offset: int, last: int | None = None) -> Stop:
    """The first epoch at which a rule fires, its first possible one being `offset`."""
    last = len(fires) - 1 if last is None else last
    if not fires.any():
        return Stop(last, last, False)
    stop = offset + int(fires.argmax())
    return Stop(stop, stop, True)


def _check(rule: Rule) -> None:
    where = f"stopping rule '{rule.name}'"
    reads = {
        'epochs': ('epochs',),
        'threshold': ('metric', 'level'),
        'drop': ('metric', 'window', 'drop'),
        'patience': ('metric', 'patience', 'min_improvement'),
    }[rule.kind]
    plain_rule = Rule(name=rule.name, kind=rule.kind)
    for field in dataclasses.fields(rule)[2:]:
        given = getattr(rule, field.name) != getattr(plain_rule, field.name)
        if given and field.name not in reads:
            raise UserError(f"{where}: kind '{rule.kind}' does not read {field.name}")
    for name in {'epochs': ('epochs',), 'threshold': ('level',), 'patience': ('patience',)}.get(
        rule.kind, ()
    ):
        if getattr(rule, name) == getattr(plain_rule, name):
            raise UserError(f"{where}: kind '{rule.kind}' needs {name}")
    if rule.watched and metrics.of(rule.watched).sign >= 0:
        raise UserError(
            f"{where}: metric '{rule.watched}' is not a loss or an error, which fall as training "
            "goes on; write '1-train_accuracy' for an error"
        )
