"""Values that cannot act in a run are one line of complaint, and those that just can are taken."""

import jax
import jax.numpy as jnp
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import register, trace
from jaxtweaks.config.fields import static, traced
from jaxtweaks.config.reach import check_reach, check_reach_on_data
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import experiment
from jaxtweaks.train.augment import augmented

EPOCHS = 4
STEP = {'schedule.name': 'step'}
BEST = {'train.select': 'best_accuracy'}
ADAMS = ('adam', 'adamw', 'nadam', 'radam', 'lamb')
MLP_BN = {'model.name': 'mlp', 'model.norm': 'batch'}


def setting(**values):
    return trace.replace(Setting(), {'train.epochs': EPOCHS} | values)


# What else is set, the field, a value that cannot act, the nearest that can, and the complaint.
BEYOND = {
    'warm-up': ({}, 'schedule.warmup_epochs', 4.5, 4.0, 'is never over'),
    'boundary': (STEP, 'step.boundaries', (2.0, 4.0), (2.0, 3.9), '4.0 has no effect'),
    'no boundary': (STEP, 'step.boundaries', (), (0.0,), 'step.boundaries is ()'),
    'half cycle': (
        {'schedule.name': 'triangular'},
        'triangular.half_cycle_epochs',
        5.0,
        4.0,
        'never reaches optim.learning_rate',
    ),
    'patience': (BEST, 'train.patience', 4.0, 3.0, 'must be < 4'),
    'improvement': (BEST, 'train.min_improvement', 1.0, 0.5, 'no accuracy improves by as much'),
    'average': ({}, 'train.ema_decay', 1.0, 0.9999, 'keeps the initial parameters'),
    'statistics': (MLP_BN, 'batch.momentum', 1.0, 0.999, 'running statistics'),
    'batch norm of one image': (MLP_BN, 'train.batch_size', 1, 2, 'one value of each feature'),
    'batch norm of one image, by pixels too': (
        {'model.norm': 'batch', 'model.norm_place': 'after'},
        'train.batch_size',
        1,
        2,
        'one value of each feature',
    ),
}


@pytest.mark.parametrize('case', BEYOND)
def test_what_cannot_act_is_refused_and_what_just_can_is_taken(case):
    others, field, wrong, right, words = BEYOND[case]
    with pytest.raises(UserError) as caught:
        check_reach([setting(**others), setting(**others, **{field: wrong})][1:])
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)
    check_reach([setting(**others, **{field: right})])


@pytest.mark.parametrize(
    'field',
    [
        *(f'{name}.{beta}' for name in ADAMS for beta in ('b1', 'b2')),
        'lion.b2',
        'rmsprop.decay',
    ],
)
def test_a_mean_of_an_optimiser_that_never_moves_is_refused(field):
    of = lambda value: setting(**{'optim.name': field.split('.')[0], field: value})
    with pytest.raises(UserError, match=rf'{field}: 1\.0 .* at 0 for ever; it must be < 1'):
        check_reach([of(1.0)])
    check_reach([of(0.9999)])


@pytest.mark.parametrize('field', ['lion.b1', 'momentum.momentum', 'nesterov.momentum'])
def test_what_is_no_mean_may_have_a_factor_of_one(field):
    """The mean alone in Lion's sign; and velocity without friction, all gradients' sum."""
    check_reach([setting(**{'optim.name': field.split('.')[0], field: 1.0})])


def test_a_schedule_of_a_users_means_by_its_parameters_what_it_likes():
    @register.schedule('own_times')
    def own_times(
        time,
        peak,
        *,
        boundaries=static((500, 200), 'steps at which the rate is halved'),
        minimum=static('low', 'how low it goes', choices=('low', 'lower')),
        half_cycle_epochs=traced(100.0, 'what it likes'),
    ):
        return peak

    assert experiment.build({'name': 'x', 'schedule': {'name': 'own_times'}})


def test_it_is_asked_of_every_setting_of_a_sweep():
    sweep = ('grid', 'train.epochs', (2, 20))
    with pytest.raises(UserError, match=r'schedule\.warmup_epochs: 5\.0 .*train\.epochs \(2\)'):
        experiment.build({'name': 'x', 'sweep': sweep, 'schedule': {'warmup_epochs': 5.0}})


@pytest.mark.parametrize(
    'values',
    [
        {'model.norm': 'batch', 'model.hidden': ()},  # maps of many pixels
        {'model.norm': 'batch', 'model.name': 'convnet1d'},
        {'model.name': 'mlp'},
    ],
)
def test_one_image_at_a_time_is_taken_where_nothing_is_lost(values):
    check_reach([setting(**values, **{'train.batch_size': 1})])


def test_the_images_of_a_gradient_check_have_a_variance():
    values = {'name': 'x', 'study': {'name': 'gradcheck'}, 'gradcheck': {'images': 1}}
    values['model'] = {'name': 'mlp'}
    assert experiment.build(values)
    values['model']['norm'] = 'batch'
    with pytest.raises(UserError, match=r'gradcheck\.images: 1 gives batch norm one value'):
        experiment.build(values)


# A field, what cannot act on 100 images of 8 × 1 in batches of 32, what can, and the complaint.
ON_DATA = {
    'warm-up of a step': ('schedule.warmup_epochs', 0.25, 0.26, '4 steps; it must be > 0.25'),
    'no image': ('data.share', 0.004, 0.006, '0.004 of 100 training images is none'),
    'all images': ('data.share', 0.999, 0.99, '0.999 of 100 training images is all'),
    'batches that repeat': ('train.gradient_batches', 2, 0, '2 batches of 100 images are more'),
    'mirror': ('flip.probability', 0.5, 0.0, 'the inputs are 8 × 1'),
    'shift': ('shift.pixels', 8.0, 7.0, 'it must be < 8'),
}


@pytest.mark.parametrize('case', ON_DATA)
def test_what_cannot_act_on_the_data_is_refused(case):
    field, wrong, right, words = ON_DATA[case]
    with pytest.raises(UserError) as caught:
        check_reach_on_data([setting(**{field: wrong})], 100, (8, 1), 'waves')
    assert words in str(caught.value)
    assert str(caught.value).endswith('(waves)')
    check_reach_on_data([setting(**{field: right})], 100, (8, 1), 'waves')


def test_a_fold_of_validation_leaves_the_others_to_train_on():
    values = {'data.folds': 10, 'data.fold': 1, 'train.gradient_batches': 9}
    check_reach_on_data([setting(**values)], 999, (8, 8), 'waves')  # 999 less 99
    with pytest.raises(UserError, match='more than the 899 training images'):
        check_reach_on_data([setting(**values)], 998, (8, 8), 'waves')


ERASING = {'erasing.probability': 1.0, 'erasing.smallest': 0.0}
# What else is set, the field, the size of images, a value that cannot act or leaves nothing, the
# nearest that can, the complaint, and what becomes of images of ones at the wrong value.
ON_IMAGES = {
    'mixed columns': ({}, 'cutmix.alpha', (8, 1), 1.0, 0.0, 'the inputs are 8 × 1', 'the same'),
    'mixed points': ({}, 'cutmix.alpha', (1, 1), 0.2, 0.0, 'the inputs are 1 × 1', 'the same'),
    'cut out of all': ({}, 'cutout.side', (4, 3), 7.0, 6.9, 'it must be < 7', 'nothing'),
    'cut out of a point': ({}, 'cutout.side', (1, 1), 1.5, 0.9, 'it must be < 1', 'nothing'),
    'cropped away': ({}, 'crop.pixels', (4, 3), 3.0, 2.9, 'it must be < 3', 'some nothing'),
    'cropped by a part': ({}, 'crop.pixels', (4, 3), 0.9, 1.0, 'it must be ≥ 1', 'the same'),
    'erased from little': (
        ERASING, 'erasing.largest', (4, 5), 0.0125, 0.1, 'it must be > 0.0125', 'the same'
    ),
    'erased from little by the least': (
        {'erasing.probability': 1.0, 'erasing.largest': 0.001}, 'erasing.smallest', (4, 5), 0.0125,
        0.1, 'it must be > 0.0125', 'the same',
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', ON_IMAGES)
def test_an_augmentation_that_cannot_act_on_the_images_or_leaves_nothing_is_refused(case):
    others, field, size, wrong, right, words, becomes = ON_IMAGES[case]
    of = lambda value: setting(**others, **{field: value})
    with pytest.raises(UserError, match=field) as caught:
        check_reach_on_data([of(wrong)], 100, size, 'waves')
    assert words in str(caught.value)
    check_reach_on_data([of(right)], 100, size, 'waves')

    def blank_and_same(value):
        images = jnp.ones((500, *size, 1))
        if field.startswith('cutmix'):  # one rectangle for all
            images = images * jnp.arange(1.0, 501)[:, None, None, None]
        labels = jnp.zeros(500, jnp.int32)
        found = augmented(jax.random.key(0), images, labels, 2, of(value))[0]
        return (found == 0).all((1, 2, 3)), (found == images).all()

    blank, same = blank_and_same(wrong)
    assert same if becomes == 'the same' else blank.all() if becomes == 'nothing' else blank.any()
    blank, same = blank_and_same(right)
    assert same == (right == 0)
    assert not (blank.any() if becomes == 'some nothing' else blank.all())


@pytest.mark.parametrize('field', ['flip.probability', 'shift.pixels', 'rotate.degrees'])
def test_points_have_no_pixels_to_move(field):
    with pytest.raises(UserError, match=rf'{field}: 0\.5 has no effect .* 1 × 1'):
        check_reach_on_data([setting(**{field: 0.5})], 100, (1, 1), 'points')
