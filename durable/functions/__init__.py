"""A function app with durable functions, for Azure Functions' own host and any other."""

from durable.functions.app import Blueprint, DFApp

__all__ = ["Blueprint", "DFApp"]
