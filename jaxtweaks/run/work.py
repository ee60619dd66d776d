"""How much there is to do, in images trained: what progress and estimates of time go by."""

from jaxtweaks.data.dataset import Dataset
from jaxtweaks.train.program import DeviceData, Program


def evaluation_work(program: Program, data: DeviceData | Dataset) -> float:
    """Work of the evaluations after an epoch, in images trained: a forward pass is a third."""
    train = program.static.train
    splits = [data.validation, *data.probes.values(), *([data.test] if train.test_curve else [])]
    shown = min(train.train_eval_size, program.train_size)
    return (shown + sum(split.labels.shape[0] for split in splits)) / 3


def masks_work(masks: int, data: DeviceData | Dataset) -> float:
    """Work of predicting the test set under so many dropout masks, in images trained."""
    return masks * data.test.labels.shape[0] / 3


def training_work(program: Program, data: DeviceData | Dataset, share: float = 1.0) -> float:
    """Work of one run, in images trained; with that of averages over masks at its end.

    `share`: of its epochs, if it ends before; the averages are the same then.
    """
    train = program.static.train
    images = program.steps * train.batch_size
    at_end = masks_work(max(train.mc_samples, default=0), data)
    return share * (images + train.epochs * evaluation_work(program, data)) + at_end
