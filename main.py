"""Answers the question of a config file: `python main.py --config=configs/bn_batchsize.py`."""

import sys

if __name__ == '__main__':
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
