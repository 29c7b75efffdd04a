"""The surface of azure-functions-durable 1.x."""
