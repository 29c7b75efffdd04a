"""The adapter over the Azure SDKs: set-up and administration, or everything by choice."""
