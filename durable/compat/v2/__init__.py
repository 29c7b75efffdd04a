"""The surface of azure-functions-durable 2.x and durabletask."""
