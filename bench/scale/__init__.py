"""How far one storage account carries a hub: arithmetic, and a simulation of a million instances.

`python -m bench.scale` prints both; `--write` puts them into docs/scale.md.
"""
