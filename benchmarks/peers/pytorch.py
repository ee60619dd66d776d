"""PyTorch: eager training of one network after the other, and a `torch.func.vmap` ensemble."""

import copy
import functools

import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap


def cnn(blocks, hidden, batch_norm=False, running=True):
    """ROLE's CNN, with so many channels in each block and units in each hidden layer.

    Batch norm as in `mlp`.
    """
    layers = []
    width, side = 3, 32

    def after(norm, features):
        normal = [norm(features, track_running_stats=running)] if batch_norm else []
        return [*normal, nn.ReLU()]

    for channels in blocks:
        layers += [nn.Conv2d(width, channels, 3, padding=1), *after(nn.BatchNorm2d, channels)]
        layers += [nn.Conv2d(channels, channels, 3), *after(nn.BatchNorm2d, channels)]
        layers.append(nn.MaxPool2d(2))
        width, side = channels, (side - 2) // 2
    layers.append(nn.Flatten())
    width *= side**2
    for units in hidden:
        layers += [nn.Linear(width, units), *after(nn.BatchNorm1d, units)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 10))


def mlp(hidden, batch_norm, running=True):
    """Dense layers with batch norm (optional); vmap cannot update running averages."""
    layers, width = [nn.Flatten()], 3072
    for units in hidden:
        layers.append(nn.Linear(width, units))
        if batch_norm:
            layers.append(nn.BatchNorm1d(units, track_running_stats=running))
        layers.append(nn.ReLU())
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 10))


class _Block(nn.Module):
    def __init__(self, before, channels, step):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, step, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if before != channels:
            project = nn.Conv2d(before, channels, 1, step, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(channels))

    def forward(self, x):
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(self.shortcut(x) + y)


def resnet(blocks=3, stages=(16, 32, 64)):
    """ResNet-20 for small images, with projections where a shortcut changes its channels."""
    width = stages[0]
    layers = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    for stage, channels in enumerate(stages):
        for block in range(blocks):
            layers.append(_Block(width, channels, 2 if stage > 0 and block == 0 else 1))
            width = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def _optimiser(optim, parameters):
    return {'adam': torch.optim.Adam, 'sgd': torch.optim.SGD}[optim.name](
        parameters, lr=optim.learning_rate
    )


class _Data:
    def __init__(self, images, labels, device, channels_last):
        self.images = torch.as_tensor(images).permute(0, 3, 1, 2).contiguous().to(device)
        self.labels = torch.as_tensor(labels).long().to(device)
        if channels_last:
            self.images = self.images.to(memory_format=torch.channels_last)
        self.device = device

    def batch(self, shape):
        index = torch.randint(0, len(self.labels), shape, device=self.device)
        return self.images[index].float().div_(128).sub_(1), self.labels[index]


class Sequential:
    """Eager training, one run after the other.

    `compiled` wraps each network in torch.compile; `bf16`: its products are in bfloat16 by
    torch.autocast, and the rest stays in float32.
    """

    def __init__(
        self,
        make,
        optimiser,
        images,
        labels,
        runs,
        batch,
        device='cpu',
        compiled=False,
        bf16=False,
    ):
        """make() returns a network."""
        self._data = _Data(images, labels, device, channels_last=True)
        self._batch = batch
        nets = [make().to(device).to(memory_format=torch.channels_last) for _ in range(runs)]
        self._optimisers = [_optimiser(optimiser, net.parameters()) for net in nets]
        self._nets = [torch.compile(net) for net in nets] if compiled else nets
        self._loss = nn.CrossEntropyLoss()
        self._cast = functools.partial(torch.autocast, device, torch.bfloat16, enabled=bf16)

    def train(self, steps):
        """`steps` steps of every run."""
        for net, optimiser in zip(self._nets, self._optimisers, strict=True):
            for _ in range(steps):
                x, y = self._data.batch((self._batch,))
                optimiser.zero_grad(set_to_none=True)
                with self._cast():
                    loss = self._loss(net(x), y)
                loss.backward()
                optimiser.step()
        if self._data.device != 'cpu':
            torch.cuda.synchronize()


class Ensemble:
    """All runs in each operation, by `torch.func`."""

    def __init__(self, make, optimiser, images, labels, runs, batch, device='cpu'):
        """make() returns a network."""
        self._data = _Data(images, labels, device, channels_last=False)
        self._shape = (runs, batch)
        nets = [make().to(device) for _ in range(runs)]
        self._params, self._buffers = stack_module_state(nets)
        base = copy.deepcopy(nets[0]).to('meta')
        self._optimiser = _optimiser(optimiser, list(self._params.values()))

        def loss(params, buffers, x, y):
            return nn.functional.cross_entropy(functional_call(base, (params, buffers), (x,)), y)

        self._gradients = vmap(grad(loss), randomness='different')

    def train(self, steps):
        """`steps` steps of every run."""
        for _ in range(steps):
            x, y = self._data.batch(self._shape)
            with torch.no_grad():
                found = self._gradients(self._params, self._buffers, x, y)
            for name, parameter in self._params.items():
                parameter.grad = found[name]
            self._optimiser.step()
        if self._data.device != 'cpu':
            torch.cuda.synchronize()
