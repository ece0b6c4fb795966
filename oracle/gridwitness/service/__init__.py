"""What the package does: runs an oracle, proves and verifies, plays the demo."""
