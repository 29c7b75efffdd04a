"""Our own host: it runs a function app without the Functions host."""
