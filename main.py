"""Answers the question of a config file: `python main.py --config=configs/bn_batchsize.py`."""

import sys

if __name__ == '__main__':
    try:
        from jaxtweaks.app import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())
