"""`python -m mediasift`."""

from mediasift.cli import run

if __name__ == "__main__":
    run()
