"""The warnings of azure-functions-durable, for filters that name them."""


class DurableFunctionsCompatibilityWarning(UserWarning):
    """Kept for filters; nothing warns by it here."""
