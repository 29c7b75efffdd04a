"""What tests install for themselves."""

from tools.provisions import REQUIREMENTS, ROOT, TOOLS, pip, provided

__all__ = ["REQUIREMENTS", "ROOT", "TOOLS", "pip", "provided"]
