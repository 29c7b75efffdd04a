"""`import durable.compat.activate`, first in function_app.py, and what follows may import
azure.durable_functions and durabletask. The worker of this package does it by itself."""

from durable.compat.aliases import install

install()
