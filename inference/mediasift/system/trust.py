"""Nothing in the current folder is executed, neither as a module nor as a program: it may hold anybody's files."""

import os
import sys


def forget_current_folder() -> None:
    """Where this process is the `mediasift` program: look for modules and programs in absolute folders alone.

    `python -m` puts the current folder first; empty and relative entries of PYTHONPATH and PATH mean it, too. Another
    program that imports mediasift decides for itself.
    """
    named = [word.removeprefix("-m").partition(".")[0] for word in sys.orig_argv[1:]]
    if sys.argv[:1] == ["-m"] and "mediasift" in named:
        if not sys.flags.safe_path:
            del sys.path[0]
    elif os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0] != "mediasift":  # noqa: PTH119, PTH122
        return
    relative = {os.path.abspath(one) for one in _entries("PYTHONPATH") if not os.path.isabs(one)}  # noqa: PTH100, PTH117
    absolute = {one for one in _entries("PYTHONPATH") if os.path.isabs(one)}  # noqa: PTH117
    sys.path[:] = [one for one in sys.path if os.path.isabs(one) and one not in relative - absolute]  # noqa: PTH117
    os.environ.update(trusted_environment())


def trusted_environment() -> dict[str, str]:
    """This process's environment for one that it starts, in which no path means the current folder."""
    paths = {
        name: os.pathsep.join(one for one in _entries(name) if os.path.isabs(one))  # noqa: PTH117
        for name in ("PYTHONPATH", "PATH")
        if name in os.environ
    }
    return {**os.environ, **paths, "PYTHONSAFEPATH": "1", "NoDefaultCurrentDirectoryInExePath": "1"}


def _entries(variable: str) -> list[str]:
    """None for an empty variable, which means no folder at all."""
    return os.environ[variable].split(os.pathsep) if os.environ.get(variable) else []
