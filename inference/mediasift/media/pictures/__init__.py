"""Pictures: bytes to arrays, and what is done with arrays."""
