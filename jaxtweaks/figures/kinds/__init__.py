"""The built-in kinds of figures, each registered as a user's (`figures/register.py`)."""
