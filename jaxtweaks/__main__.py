"""`python -m jaxtweaks` is `python main.py`."""

import sys

try:
    from jaxtweaks.app import main
except KeyboardInterrupt:  # these imports take seconds
    sys.exit(130)
except ValueError as error:
    if 'JAX' not in str(error):
        raise
    # JAX reads its variables when it is imported.
    print(f'error: {error}; correct or unset the variable of this name', file=sys.stderr)
    sys.exit(2)

sys.exit(main())
