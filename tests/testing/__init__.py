"""`durable.testing`."""
