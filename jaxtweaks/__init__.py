"""A laboratory for the small decisions that make neural networks generalise."""
