"""How good labels are: what was said beside what is true, as numbers and pictures."""
