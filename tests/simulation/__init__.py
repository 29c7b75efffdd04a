"""A simulated world for the real engine, runtime, client and sweeper.

One seed is one life of a hub: generated programs, several workers and users on a store that
lies, loses and repeats. Single-threaded on a clock of its own, so that a seed can be had again.
"""
