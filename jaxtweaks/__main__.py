"""`python -m jaxtweaks` is `python main.py`."""

import sys

try:
    from jaxtweaks.app import main
except KeyboardInterrupt:  # these imports take seconds
    sys.exit(130)

sys.exit(main())
