"""`python -m durable`: the same as the command `durable`."""

import sys

from durable.cli import main

sys.exit(main())
