"""Each group of commands with its options."""
