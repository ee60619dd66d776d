"""What users would train many small networks with otherwise: Flax and PyTorch, written plainly."""
