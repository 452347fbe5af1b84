"""The `mediasift` program: a worker that will be needed is started first, as loading what computes takes longest."""

import sys

from mediasift.run import launch


def run() -> None:
    """Start a worker if need be; then read the options."""
    if launch.is_needed(sys.argv[1:]):
        launch.start_ahead(sys.argv[1])
    from mediasift.cli import main

    main(prog_name="mediasift")


if __name__ == "__main__":
    run()
