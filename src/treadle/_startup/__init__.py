"""What Python needs to start quickly, in one place: it imports nothing of ours."""
