"""Pictures in over HTTP, the rows of a verb out."""
