"""Vectors become pairs: pure functions, arrays in, pairs out."""
