"""What no single field can say: whether the fields of the settings go together."""

from collections.abc import Sequence

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.errors import UserError

_DEFAULTS = Setting()


def check_settings(settings: Sequence[Setting]) -> None:
    """Whether each setting makes sense, and whether something reads what they set.

    Raises:
      UserError: a batch larger than the training set, a lowest learning rate above the highest,
        or a field set that no run reads.
    """
    for setting in settings:
        _check_one(setting)
    for name, (_, rule) in trace.FIELDS.items():
        if rule.when is None:
            continue
        other, accepted = rule.when
        default = trace.get(_DEFAULTS, name)
        given = [s for s in settings if trace.get(s, name) != default]
        if given and not any(trace.get(s, other) in accepted for s in given):
            raise UserError(
                f'{name}: {trace.get(given[0], name)!r} is read by nothing, since {other} is '
                f'{trace.get(given[0], other)!r}; it is read when {other} is '
                f'{" or ".join(map(repr, accepted))}'
            )


def check_batches(settings: Sequence[Setting], train_size: int, data_label: str) -> None:
    """Whether every batch fits in the training set that there really is. Raises UserError."""
    for setting in settings:
        if setting.train.batch_size > train_size:
            raise UserError(
                f'train.batch_size: {setting.train.batch_size} is larger than the training set '
                f'({train_size} images of {data_label}); it must be ≤ {train_size}'
            )


def check_image(settings: Sequence[Setting], side: int) -> None:
    """Whether images of this height survive the convolutions and pools. Raises UserError."""
    for setting in settings:
        left = side
        for block, _ in enumerate(setting.model.channels if setting.model.name == 'cnn' else ()):
            left = (left - 2) // 2
            if left < 1:
                raise UserError(
                    f'model.channels: block {block + 1} of {len(setting.model.channels)} has no '
                    f'pixels left of {side} × {side} images; use fewer blocks or larger images'
                )


def _check_one(setting: Setting) -> None:
    check_batches([setting], setting.data.train_size, 'data.train_size')
    schedule, peak = setting.schedule, setting.optim.learning_rate
    if schedule.name in ('triangular', 'cosine') and schedule.minimum > peak:
        raise UserError(
            f'schedule.minimum: {schedule.minimum!r} is above optim.learning_rate ({peak!r}); '
            'it must be at most that'
        )
    if list(schedule.boundaries) != sorted(set(schedule.boundaries)):
        raise UserError(
            f'schedule.boundaries: {schedule.boundaries!r} must rise from one to the next'
        )
