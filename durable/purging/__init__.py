"""Purge jobs: many instances deleted in the background, in parts that survive any crash.

A part is an operation of a built-in entity: unlike an activity it needs no queue, so that an
app which never purges pays nothing.
"""

from durable.purging.job import with_purge_jobs

__all__ = ["with_purge_jobs"]
