"""The built-in kinds of claims, each registered as a user's (`claims/register.py`)."""
