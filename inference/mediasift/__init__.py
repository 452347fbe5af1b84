"""Folders of pictures, video, PDFs and sound in; a tidy table out."""

__version__ = "0.1.0"
