"""Many items, safely: reading ahead, batching, order, output."""
