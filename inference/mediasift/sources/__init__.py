"""From what a user names to content that can be opened."""
