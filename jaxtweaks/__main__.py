"""`python -m jaxtweaks` is `python main.py`."""

import sys

from jaxtweaks.app import main

sys.exit(main())
