"""Answers the question of a config file: `python main.py --config=configs/bn_batchsize.py`."""

import sys

from jaxtweaks.app import main

if __name__ == '__main__':
    sys.exit(main())
