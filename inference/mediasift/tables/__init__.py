"""Rows to files and back, and what produced them."""
