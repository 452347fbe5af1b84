"""What a manifest is good for: the numbers of a table proven again, and what a paper reports about them."""
