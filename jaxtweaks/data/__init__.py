"""Data: where it comes from, how it is split, how it is standardised. NumPy only."""

from jaxtweaks.data.dataset import Dataset, Split, fingerprint, nothing
from jaxtweaks.data.load import load, place
from jaxtweaks.data.standardise import standardiser

__all__ = ['Dataset', 'Split', 'fingerprint', 'load', 'nothing', 'place', 'standardiser']
