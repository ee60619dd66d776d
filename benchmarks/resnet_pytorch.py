"""A plain linen ResNet-20 trained here, and the same in PyTorch: are the curves the same?

    python -m benchmarks.resnet_pytorch --folder runs/resnet_pytorch       # all of CIFAR-10
    python -m benchmarks.resnet_pytorch --folder runs/resnet_pytorch_small --images 10240 --epochs 4

Both train the network of `benchmarks.peers` (batch norm, projections where a shortcut changes its
channels) on the same images, standardised by channel: weights N(0, 2/n), no biases but the last
layer's, which start at 0, SGD with momentum 0.9 at a constant rate, ½·1e-4·Σw² of all parameters,
batches of 128, no augmentation. Only the random numbers differ, so that single runs cannot be
compared, but their distributions can: by epoch, the training loss (the mean over its batches, as
trained) and the accuracy on the test images; mean and standard deviation over seeds of each
library, and Welch's 95% interval of the difference.

The folder keeps what is finished: the same command goes on. It ends up with `found.json`,
`found.md` and `found.png`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from scipy import stats

import jaxtweaks as jt
from benchmarks import setup, sweep
from benchmarks.peers import flax_plain
from jaxtweaks.base import atomic
from jaxtweaks.lab.experiment import build

BATCH, RATE, MOMENTUM, DECAY = 128, 0.05, 0.9, 1e-4
# Held out from training, and used for nothing: 49,920 of 50,000 images are 390 whole batches.
UNUSED = 80
METRICS = {'running_loss': 'training loss', 'test_accuracy': 'test accuracy'}
# By library, then metric: an array [seeds, epochs].
Curves = Mapping[str, Mapping[str, np.ndarray]]


def config_of(flags: argparse.Namespace) -> ConfigDict:
    """What is trained here; registers the network as a user would."""
    blocks, channels = flags.blocks, tuple(flags.channels)

    @jt.network('plain_resnet')
    def plain_resnet(outputs, kernel_init):
        return flax_plain.PlainResNet(blocks, channels, kernel_init)

    config = jt.default_config('resnet_pytorch')
    config.size, config.seeds = 'paper', flags.seeds
    config.question = 'Does a ResNet-20 train here as it does in PyTorch?'
    config.data.name, config.data.fallback = flags.data, 'none'
    config.data.train_size, config.data.validation_size = flags.images, UNUSED
    config.data.test_size = flags.test
    config.model.name = 'plain_resnet'
    config.init.scheme, config.init.distribution = 'he', 'normal'
    config.optim.name, config.optim.learning_rate = 'momentum', RATE
    config.momentum.momentum = MOMENTUM
    config.penalty.l2, config.penalty.scope = DECAY, 'all'
    config.train.batch_size, config.train.epochs = BATCH, flags.epochs
    config.train.train_eval_size, config.train.test_curve = UNUSED, True
    return config


def ours(config: ConfigDict, folder: Path) -> dict[str, np.ndarray]:
    """By metric, [seeds, epochs]."""
    results = jt.run(config, folder / 'jaxtweaks').results
    return {name: results.curve(name)[0] for name in METRICS}


def network(flags: argparse.Namespace) -> Any:
    """The PyTorch module, with weights N(0, 2/n) and biases 0."""
    from torch import nn

    from benchmarks.peers import pytorch

    net = pytorch.resnet(flags.blocks, tuple(flags.channels))
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def peer(seed: int, splits: Mapping[str, Any], flags: argparse.Namespace) -> dict[str, list[float]]:
    """One network in PyTorch: by metric, a number for each epoch."""
    import torch

    from benchmarks.sweep_pytorch import evaluate

    torch.manual_seed(seed)
    net = network(flags).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    images, labels = splits['training']
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(flags.epochs):
        order = torch.randperm(len(labels))
        order = torch.cat([order, order[: -len(order) % BATCH]])
        losses = []
        for index in order.split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(net(images[index]), labels[index])
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        found['running_loss'].append(float(np.mean(losses)))
        found['test_accuracy'].append(evaluate(net, *splits['test'])[1])
    return found


def peers(config: ConfigDict, folder: Path, flags: argparse.Namespace) -> dict[str, np.ndarray]:
    """Every seed in PyTorch, each kept in a file; by metric, [seeds, epochs]."""
    from benchmarks.sweep_pytorch import load

    splits: dict[str, Any] = {}
    rows = []
    for seed in range(flags.seeds):
        kept = folder / 'pytorch' / f'{seed}.json'
        if not kept.exists():
            if not splits:
                data = folder / 'data.npz'
                sweep.save_data(build(config), data)
                splits = load(str(data))
                data.unlink()
            kept.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(kept, json.dumps(peer(seed, splits, flags)).encode())
            print(f'PyTorch, seed {seed}: finished', flush=True)
        rows.append(json.loads(kept.read_text()))
    return {name: np.array([row[name] for row in rows]) for name in METRICS}


def compared(a: np.ndarray, b: np.ndarray) -> list[dict[str, Any]]:
    """By epoch, mean and standard deviation of a and b [seeds, epochs], and a − b (Welch, 95%)."""
    rows = []
    for epoch, (one, other) in enumerate(zip(a.T, b.T, strict=True), 1):
        test = stats.ttest_ind(one, other, equal_var=False)
        interval = test.confidence_interval(0.95)
        rows.append(
            {
                'epoch': epoch,
                'jaxtweaks': [float(one.mean()), float(one.std(ddof=1))],
                'pytorch': [float(other.mean()), float(other.std(ddof=1))],
                'difference': float(one.mean() - other.mean()),
                'interval': [float(interval.low), float(interval.high)],
                'p': float(test.pvalue),
            }
        )
    return rows


def table(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """As Markdown."""
    lines = ['| | epoch | jaxtweaks | PyTorch | difference (95%) |', '|---|---|---|---|---|']
    for name, words in METRICS.items():
        for row in rows[name]:
            (a, sa), (b, sb) = row['jaxtweaks'], row['pytorch']
            low, high = row['interval']
            lines.append(
                f'| {words} | {row["epoch"]} | {a:.3f} ± {sa:.3f} | {b:.3f} ± {sb:.3f} '
                f'| {row["difference"]:+.3f} ({low:+.3f} to {high:+.3f}) |'
            )
    return '\n'.join(lines) + '\n'


def draw(curves: Curves, path: Path) -> None:
    """Mean ± standard deviation over seeds by epoch, a panel for each metric."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout='constrained')
    for axes, (name, words) in zip(figure.subplots(1, 2), METRICS.items(), strict=True):
        for library, found in curves.items():
            mean, spread = found[name].mean(0), found[name].std(0, ddof=1)
            epochs = np.arange(1, len(mean) + 1)
            axes.plot(epochs, mean, marker='o', label=library)
            axes.fill_between(epochs, mean - spread, mean + spread, alpha=0.2)
        axes.set(xlabel='epoch', ylabel=words, xticks=epochs)
    axes.legend()
    figure.savefig(path, dpi=120)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains what is missing, prints a table, writes JSON, Markdown and a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--folder', required=True, help='for what is finished, and what is found')
    parser.add_argument('--images', type=int, default=49_920, help='to train on')
    parser.add_argument('--test', type=int, default=0, help='images to test on; 0: all')
    parser.add_argument('--epochs', type=int, default=10)
    parser.add_argument('--seeds', type=int, default=5, help='of each library; two at least')
    parser.add_argument('--data', default='cifar10', help='images of three channels')
    parser.add_argument('--blocks', type=int, default=3, help='a stage; 3 make a ResNet-20')
    parser.add_argument('--channels', type=int, nargs='+', default=[16, 32, 64])
    flags = parser.parse_args(argv)
    if flags.seeds < 2:
        parser.error('--seeds: at least 2, for the standard deviation')
    folder = Path(flags.folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = config_of(flags)
    # Ours first: a folder of another experiment is refused.
    curves = {'jaxtweaks': ours(config, folder), 'PyTorch': peers(config, folder, flags)}
    rows = {name: compared(curves['jaxtweaks'][name], curves['PyTorch'][name]) for name in METRICS}
    print(table(rows), end='')
    atomic.write(folder / 'found.md', table(rows).encode())
    draw(curves, folder / 'found.png')
    kept = {
        library: {name: values.tolist() for name, values in found.items()}
        for library, found in curves.items()
    }
    setup.write(str(folder / 'found.json'), asked=vars(flags), rows=rows, curves=kept)


if __name__ == '__main__':
    main()
