"""The adapter that writes the services' HTTP itself: what a worker does all day."""
