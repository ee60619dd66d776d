"""`python -m jaxtweaks`, and the command `jaxtweaks`, are `python main.py`."""

import sys


def main() -> int:
    """Runs this process's command line and returns the exit code."""
    try:
        from jaxtweaks.app import main as carry_out
    except KeyboardInterrupt:
        return 130
    return carry_out()


if __name__ == '__main__':
    sys.exit(main())
