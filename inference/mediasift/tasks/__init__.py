"""Items become rows: one module per task, each ignorant of how many items there are."""
