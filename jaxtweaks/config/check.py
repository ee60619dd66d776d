"""What no single field can say: whether the fields of the settings go together.

Whether something reads a field at all is said by `effect.py`.
"""

from collections.abc import Sequence

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import measured, trace
from jaxtweaks.config.layers import channels, hidden_widths, made_of, network
from jaxtweaks.config.settings import Setting


def check_settings(settings: Sequence[Setting]) -> None:
    """Whether each setting makes sense.

    Raises:
      UserError: a batch larger than the training set, a lowest learning rate above the highest,
        or a fold that there is not.
    """
    for setting in settings:
        _check_one(setting)
    _check_by_layer(settings)


def check_training_size(settings: Sequence[Setting], train_size: int, data_label: str) -> None:
    """Whether batches and folds fit in the training set that there really is. Raises UserError."""
    for setting in settings:
        if setting.train.batch_size > train_size:
            raise UserError(
                f'train.batch_size: {setting.train.batch_size} is larger than the training set '
                f'({train_size} images of {data_label}); it must be ≤ {train_size}'
            )
        if setting.data.folds > train_size:
            raise UserError(
                f'data.folds: {setting.data.folds} is more than the {train_size} training images '
                f'of {data_label}; it must be ≤ {train_size}'
            )


def check_image(settings: Sequence[Setting], size: tuple[int, int]) -> None:
    """Whether images of this height and width survive the layers. Raises UserError."""
    for model in (setting.model for setting in settings):
        fits = network(model).facts.get('fits')
        if fits and (complaint := fits(model, size)):
            raise UserError(complaint)


def _check_by_layer(settings: Sequence[Setting]) -> None:
    """One drop rate for each hidden layer in every setting, or in none."""
    given = [bool(setting.dropout.by_layer) for setting in settings]
    for setting in settings if any(given) else ():
        if not made_of(setting.model):
            continue
        rates, layers = setting.dropout.by_layer, len(hidden_widths(setting.model))
        if len(rates) != layers:
            raise UserError(
                f'dropout.by_layer: {rates!r} has {len(rates)} rates; it must have one for each of '
                f'the {layers} hidden layers, in every setting of the sweep'
            )


def _check_fold(setting: Setting) -> None:
    folds, fold = setting.data.folds, setting.data.fold
    if folds == 1:
        raise UserError('data.folds: 1 leaves nothing to train on; it must be 0 or ≥ 2')
    if fold > folds:
        must = f'at most data.folds ({folds})' if folds else '0, or data.folds ≥ 2'
        raise UserError(f'data.fold: {fold} is a fold that there is not; it must be {must}')
    if fold and setting.train.train_eval_size < 2:
        raise UserError(
            'train.train_eval_size: 1 with data.fold may be an image that is held out; it must be '
            '≥ 2'
        )
    if fold and setting.data.share < 1:
        raise UserError(
            f'data.share: {setting.data.share!r} cannot be had with data.fold, which holds out '
            'some of all training images; omit one of the two'
        )


def _check_one(setting: Setting) -> None:
    check_training_size([setting], setting.data.train_size, 'data.train_size')
    _check_fold(setting)
    _check_schedule(setting)
    measured.check(setting)
    train = setting.train
    if train.snapshots > train.epochs:
        raise UserError(
            f'train.snapshots: {train.snapshots} is above train.epochs ({train.epochs}); it must '
            'be at most that'
        )
    some = setting.model.hidden or channels(setting.model)
    for name in ('linearity', 'unit_spread'):
        if getattr(train, name) and made_of(setting.model) and not some:
            raise UserError(
                f'train.{name}: this network has no hidden units to measure; give it some '
                '(model.hidden), or omit it'
            )
    if train.gradient_batches == 1:
        raise UserError(
            'train.gradient_batches: 1 has no variance; it must be ≥ 2, or 0 to measure none'
        )


def _check_schedule(setting: Setting) -> None:
    shape, peak = trace.part(setting, 'schedule'), setting.optim.learning_rate
    given = trace.arguments(setting, shape) if shape.built_in else {}
    if given.get('minimum', 0.0) > peak:
        raise UserError(
            f'{shape.name}.minimum: {given["minimum"]!r} is above optim.learning_rate ({peak!r}); '
            'it must be at most that'
        )
    boundaries = given.get('boundaries', ())
    if list(boundaries) != sorted(set(boundaries)):
        raise UserError(f'{shape.name}.boundaries: {boundaries!r} must rise from one to the next')
