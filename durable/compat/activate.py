"""`import durable.compat.activate`, first in function_app.py, and what follows may import
azure.durable_functions and durabletask. The worker of this package does it by itself.

Where the app does not say otherwise (PYTHONWARNINGS, `-W`), it also shows what
`durable.compat.warnings` has to say, which Python keeps to itself."""

import sys
import warnings

from durable.compat.aliases import install
from durable.compat.warnings import DurableDeprecationWarning

install()
if not sys.warnoptions:
    warnings.filterwarnings("default", category=DurableDeprecationWarning)
