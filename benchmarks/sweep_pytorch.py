"""The sweep of configs/dropout_rate.py as one would write it in PyTorch: eager, run after run.

    python -m benchmarks.sweep_pytorch --data arrays.npz --rates 0 0.5 --seeds 2 --epochs 2

The data are what `benchmarks.sweep` saved. Same network, optimiser, initialisation, batches,
evaluations after each epoch and final test as the config; only the random numbers differ.
"""

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

EVALUATED_TOGETHER = 500


def network(channels: Sequence[int], hidden: int, rate: float, side: int) -> nn.Module:
    """ROLE's CNN with dropout on its hidden dense layer, Glorot uniform."""
    layers, width = [], 3
    for count in channels:
        layers += [nn.Conv2d(width, count, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(count, count, 3), nn.ReLU(), nn.MaxPool2d(2)]
        width, side = count, (side - 2) // 2
    layers += [nn.Flatten(), nn.Linear(width * side * side, hidden), nn.ReLU(), nn.Dropout(rate)]
    net = nn.Sequential(*layers, nn.Linear(hidden, 10))
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return net.to(memory_format=torch.channels_last)


def evaluate(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Loss and accuracy, without dropout."""
    net.eval()
    loss = correct = 0.0
    with torch.no_grad():
        for start in range(0, len(labels), EVALUATED_TOGETHER):
            part = slice(start, start + EVALUATED_TOGETHER)
            logits = net(images[part])
            loss += float(nn.functional.cross_entropy(logits, labels[part], reduction='sum'))
            correct += int((logits.argmax(1) == labels[part]).sum())
    net.train()
    return loss / len(labels), correct / len(labels)


def train(net: nn.Module, splits: dict, flags: argparse.Namespace) -> dict[str, list[float]]:
    """Trains and tests one network."""
    images, labels = splits['training']
    shown = tuple(tensor[: flags.train_eval] for tensor in splits['training'])
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    history = []
    for _ in range(flags.epochs):
        order = torch.randperm(len(labels))
        order = torch.cat([order, order[: -len(order) % flags.batch]])
        for index in order.split(flags.batch):
            optimiser.zero_grad(set_to_none=True)
            loss_of(net(images[index]), labels[index]).backward()
            optimiser.step()
        history.append([*evaluate(net, *shown), *evaluate(net, *splits['validation'])])
    return {'history': history, 'test': evaluate(net, *splits['test'])}


def load(path: str) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Splits of images, standardised by channel, channels last in memory; and labels."""
    arrays = np.load(path)
    pixels = arrays['training_images'].astype(np.float32)
    mean, std = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
    splits = {}
    for name in ('training', 'validation', 'test'):
        images = (arrays[f'{name}_images'].astype(np.float32) - mean) / std
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
        labels = torch.from_numpy(arrays[f'{name}_labels']).long()
        splits[name] = tensor.contiguous(memory_format=torch.channels_last), labels
    return splits


def main(argv: Sequence[str] | None = None) -> None:
    """Trains every setting with every seed and prints the mean test accuracy of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', required=True)
    parser.add_argument('--rates', type=float, nargs='+', required=True)
    parser.add_argument('--seeds', type=int, required=True)
    parser.add_argument('--epochs', type=int, required=True)
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--channels', type=int, nargs='+', default=(8, 16))
    parser.add_argument('--hidden', type=int, default=128)
    parser.add_argument('--train_eval', type=int, default=1_000)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    splits = load(flags.data)
    side = splits['training'][0].shape[-1]
    found = {}
    for rate in flags.rates:
        for seed in range(flags.seeds):
            torch.manual_seed(seed)
            net = network(flags.channels, flags.hidden, rate, side)
            found[f'{rate:g}-s{seed}'] = train(net, splits, flags)
        accuracies = [found[f'{rate:g}-s{seed}']['test'][1] for seed in range(flags.seeds)]
        print(f'rate {rate:g}: test accuracy {np.mean(accuracies):.3f}', flush=True)
    if flags.out:
        with open(flags.out, 'w') as file:
            json.dump(found, file)


if __name__ == '__main__':
    main()
