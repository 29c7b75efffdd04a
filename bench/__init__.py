"""The benchmark: this package's workloads, the peers' and the bare storage, in one run.

`make bench` runs it; docs/performance.md says what is measured.
"""
