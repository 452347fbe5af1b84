"""The machine and its operating system: cores and memory, files, locks, the network, packages."""
