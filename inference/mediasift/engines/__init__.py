"""What is expensive: arrays and bytes in, results out."""
