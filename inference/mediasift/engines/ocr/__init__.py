"""Engines that read text in pictures."""
