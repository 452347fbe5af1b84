"""Engines that transcribe speech."""
