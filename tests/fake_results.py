"""Made-up results, for drawing: batch size by batch norm, with the shape of real curves."""

import itertools

import numpy as np

from jaxtweaks.results.results import Results

CLASSES = (
    'airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck',
)  # fmt: skip
BATCH_SIZES = (8, 16, 32, 64, 128, 256)


def sweep(fields: dict, seeds: int = 5, epochs: int = 8, diverged=(), fallback=False) -> Results:
    """Results of the grid of `fields` (dotted name to values).

    diverged: (setting, seed, epoch) of the runs that diverge after that epoch (0: before any).
    """
    settings = tuple(
        dict(zip(fields, values, strict=True)) for values in itertools.product(*fields.values())
    )
    random = np.random.default_rng(0)
    k, s, e = len(settings), seeds, epochs
    time = np.arange(1, e + 1)
    level = 0.45 + 0.25 * np.linspace(0, 1, k)[:, None] + 0.012 * random.normal(size=(k, s))
    rise = 1 - np.exp(-time / 2.5)
    noise = 0.006 * random.normal(size=(4, k, s, e))
    train = level[..., None] * rise + 0.12 * rise**2 + noise[0]
    validation = level[..., None] * rise + noise[1]
    curves = {
        'train_accuracy': train,
        'validation_accuracy': validation,
        'test_accuracy': validation + noise[2],
        'train_loss': 2.3 * (1 - train) ** 1.5,
        'validation_loss': 2.4 * (1 - validation) ** 1.2 + 0.02 * time + noise[3],
    }
    diverged_at = np.full((k, s), -1)
    confusion = np.zeros((k, s, 10, 10), int)
    for i, j in np.ndindex(k, s):
        right = min(0.97, float(level[i, j]))
        for c in range(10):
            odds = np.full(10, (1 - right) / 9)
            odds[c] = right
            confusion[i, j, c] = random.multinomial(100, odds)
    for setting, seed, epoch in diverged:
        diverged_at[setting, seed] = 100 * epoch + 1
        confusion[setting, seed] = 0
        for values in curves.values():
            values[setting, seed, epoch:] = np.nan
    finals = {name: values[..., -1].copy() for name, values in curves.items()}
    for values in finals.values():
        values[diverged_at >= 0] = np.nan
    return Results(
        settings=settings,
        seeds=np.arange(s),
        epochs=time,
        curves=curves,
        finals=finals,
        confusion=confusion,
        chosen_epoch=np.full((k, s), e),
        diverged_at=diverged_at,
        classes=CLASSES,
        label_counts={
            'training': random.multinomial(40_000, [0.1] * 10),
            'validation': random.multinomial(10_000, [0.1] * 10),
            'test': np.full(10, 1000),
        },
        data_label='digits, not CIFAR-10' if fallback else 'CIFAR-10 (40,000/10,000/10,000)',
        fallback=fallback,
    )


def batch_sizes(**options) -> Results:
    """Six batch sizes with and without normalisation: 12 settings."""
    fields = {'train.batch_size': BATCH_SIZES, 'model.norm': ('none', 'batch')}
    return sweep(fields, **options)
