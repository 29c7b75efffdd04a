"""What attackers, and apps gone wrong, send: queues, HTTP, storage, and what is fetched."""
