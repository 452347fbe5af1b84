"""PDF documents: pages as pictures or text."""
