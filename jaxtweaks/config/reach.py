"""Values that cannot act: beyond the end of the run, or on data on which they do nothing.

Each is allowed by itself, and the run would be as good as without it, so that what somebody meant
to try would not have been tried.
"""

import math
from collections.abc import Iterator, Sequence

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import measured, trace
from jaxtweaks.config.layers import hidden_widths, network
from jaxtweaks.config.settings import Model, Setting

# Parameters of built-in optimisers that are decays of running means.
_DECAYS = {'b1', 'b2', 'decay'}

# Sides of what is erased are rounded to whole pixels; up to this they are 0.
_HALF_A_PIXEL = 0.5

# Images in a batch whose gradient is compared with those of others (`train.gradient_batches`).
GRADIENT_BATCH = 100


def check_reach(settings: Sequence[Setting]) -> None:
    """Whether what the settings ask for comes to act before their runs are over.

    Raises:
      UserError: a time beyond the end of training, an average that never moves, or batch norm with
        one value a feature.
    """
    for setting in settings:
        for complaint in (*_times(setting), *_scores(setting), *_averages(setting)):
            raise UserError(complaint)
        check_batch_norm(setting.model, 'train.batch_size', setting.train.batch_size)
        _check_ghost_batch(setting)


def check_reach_on_data(
    settings: Sequence[Setting], train_size: int, size: tuple[int, int], data_label: str
) -> None:
    """The same, as far as it takes the training images that there really are.

    Args:
      settings: of runs on these data.
      train_size: training images.
      size: their height and width.
      data_label: the data in words.

    Raises:
      UserError: a part of a step, of an image or of the training set that is nothing.
    """
    for setting in settings:
        for complaint in (*_parts(setting, train_size), *_pixels(setting, size)):
            raise UserError(f'{complaint} ({data_label})')


def check_batch_norm(model: Model, field: str, count: int) -> None:
    """Whether batch norm has more than one value of each feature.

    Dense layers alone can lack them: where pools follow, maps have two pixels at least.

    Args:
      model: the network.
      field: the dotted name of the field that says how many images there are at once.
      count: its value.

    Raises:
      UserError: it has one.
    """
    dense = hidden_widths(model) and not network(model).facts.get('plain_head')
    if model.norm == 'batch' and dense and count == 1:
        raise UserError(
            f'{field}: 1 gives batch norm one value of each feature, which it makes 0 whatever the '
            "image; it must be ≥ 2, or model.norm 'none'"
        )


def _check_ghost_batch(setting: Setting) -> None:
    size, batch = trace.get(setting, 'ghost_batch.size'), setting.train.batch_size
    if setting.model.norm == 'ghost_batch' and batch % size:
        raise UserError(
            f'ghost_batch.size: {size} does not divide train.batch_size ({batch}); it must'
        )


def _times(setting: Setting) -> Iterator[str]:
    """What is wrong with the times of a setting, in epochs."""
    schedule, train = setting.schedule, setting.train
    part = trace.part(setting, 'schedule')
    shape = trace.arguments(setting, part) if part.built_in else {}
    end = f'the run ends after train.epochs ({train.epochs})'
    if schedule.warmup_epochs > train.epochs:
        yield (
            f'schedule.warmup_epochs: {schedule.warmup_epochs!r} is never over, because {end}; it '
            f'must be ≤ {train.epochs}'
        )
    if schedule.name == 'step' and not shape['boundaries']:
        yield (
            "schedule.name: 'step' has no effect because step.boundaries is (); give it "
            "boundaries, or take 'constant'"
        )
    late = [epoch for epoch in shape.get('boundaries', ()) if epoch >= train.epochs]
    if late:
        yield (
            f'{schedule.name}.boundaries: {late[0]!r} has no effect because {end}; each must be < '
            f'{train.epochs}'
        )
    half_cycle = shape.get('half_cycle_epochs', 0)
    if half_cycle > train.epochs:
        yield (
            f'{schedule.name}.half_cycle_epochs: {half_cycle!r} never reaches '
            f'optim.learning_rate, because {end}; it must be ≤ {train.epochs}'
        )
    if train.select != 'last' and train.patience >= train.epochs:
        yield (
            f'train.patience: {train.patience!r} has no effect because {end}; it must be < '
            f'{train.epochs}, or 0 for none'
        )


def _scores(setting: Setting) -> Iterator[str]:
    train = setting.train
    chosen = measured.chosen_by(setting)
    if train.select != 'last' and chosen.is_share and train.min_improvement >= 1:
        yield (
            f'train.min_improvement: {train.min_improvement!r} keeps the first epoch, because no '
            f'{chosen.words} improves by as much; it must be < 1, as 0.001 for a tenth of a point'
        )


def _averages(setting: Setting) -> Iterator[str]:
    norm, train = trace.part(setting, 'norm'), setting.train
    optimiser = trace.part(setting, 'optimiser')
    numbers = trace.arguments(setting, optimiser) if optimiser.built_in else {}
    for name in sorted(_DECAYS & numbers.keys()):
        # Lion's β₁ is no decay: it weighs the mean against the gradient, and 1 takes the mean.
        if numbers[name] == 1 and (optimiser.name, name) != ('lion', 'b1'):
            yield (
                f'{optimiser.field(name)}: 1.0 keeps a running mean of the optimiser at 0 for '
                'ever; it must be < 1'
            )
    if train.ema_decay == 1:
        yield 'train.ema_decay: 1.0 keeps the initial parameters for ever; it must be < 1'
    if train.swa_start > train.epochs:
        yield (
            f'train.swa_start: {train.swa_start} has no effect because the run ends after '
            f'train.epochs ({train.epochs}); it must be ≤ {train.epochs}, or 0 for none'
        )
    if norm.built_in and trace.arguments(setting, norm).get('momentum') == 1:
        yield (
            f'{norm.name}.momentum: 1.0 keeps the initial running statistics for ever, which the '
            'network is tested with; it must be < 1'
        )


def _parts(setting: Setting, train_size: int) -> Iterator[str]:
    """What is wrong with parts of the training set and of its epochs."""
    data, schedule = setting.data, setting.schedule
    steps = math.ceil(train_size / setting.train.batch_size)
    if 0 < schedule.warmup_epochs * steps <= 1:
        yield (
            f'schedule.warmup_epochs: {schedule.warmup_epochs!r} has no effect because an epoch '
            f'has {steps} steps; it must be > {1 / steps:.3g}, or 0 for none'
        )
    used = max(1, round(data.share * train_size))
    if data.folds and data.fold:
        used -= train_size // data.folds
    batches = setting.train.gradient_batches
    if batches * GRADIENT_BATCH > used:
        most = used // GRADIENT_BATCH
        right = f'≤ {most}, or 0 to measure none' if most > 1 else '0, to measure none'
        yield (
            f'train.gradient_batches: {batches} batches of {GRADIENT_BATCH} images are more than '
            f'the {used} training images in use; it must be {right}'
        )
    if data.share < 1 and round(data.share * train_size) in (0, train_size):
        which = 'none' if data.share * train_size < 1 else 'all'
        yield (
            f'data.share: {data.share!r} of {train_size} training images is {which} of them; it '
            f'must be between {1 / train_size:.3g} and {1 - 1 / train_size:.3g}, or 1.0'
        )


def _pixels(setting: Setting, size: tuple[int, int]) -> Iterator[str]:
    """What augmentation asks for that images of this height and width do not have."""
    height, width = size
    of_images = f'images of {height} × {width} pixels'
    least = {
        'flip.probability': width,
        'shift.pixels': max(size),
        'rotate.degrees': max(size),
        'cutmix.alpha': min(size),  # its sides are whole pixels, less than the image's
    }
    for field, pixels in least.items():
        value = trace.get(setting, field)
        if value and pixels < 2:
            yield (
                f'{field}: {value!r} has no effect because the inputs are {height} × {width}; '
                'leave it at 0'
            )
    shift = trace.get(setting, 'shift.pixels')
    if shift and shift >= max(size):
        yield f'shift.pixels: {shift!r} leaves nothing of {of_images}; it must be < {max(size)}'
    crop, cutout = trace.get(setting, 'crop.pixels'), trace.get(setting, 'cutout.side')
    if 0 < crop < 1:
        yield f'crop.pixels: {crop!r} has no effect because it is no whole pixel; it must be ≥ 1'
    if crop and crop >= min(size):
        right = f'it must be < {min(size)}' if min(size) > 1 else 'leave it at 0'
        yield f'crop.pixels: {crop!r} leaves nothing of some {of_images}; {right}'
    # With its centre in one corner it covers the pixel in the other one.
    if cutout and cutout >= 2 * max(size) - 1:
        yield f'cutout.side: {cutout!r} blanks all {of_images}; it must be < {2 * max(size) - 1}'
    ends = ('erasing.smallest', 'erasing.largest')
    largest = max(ends, key=lambda field: trace.get(setting, field))
    share = trace.get(setting, largest)
    if trace.get(setting, 'erasing.probability') and share * height * width <= _HALF_A_PIXEL**2:
        yield (
            f'{largest}: {share!r} of {of_images} is no whole pixel, so that nothing is '
            f'erased; it must be > {_HALF_A_PIXEL**2 / (height * width):.3g}'
        )
