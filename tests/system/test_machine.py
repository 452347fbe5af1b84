"""The machine block: what it names, and that its short name changes with what decides speed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mediasift.system import machine

INTEL = (
    "processor\t: 0\nmodel name\t: Some Processor 3000\nflags\t\t: fpu sse4_2 avx avx2 fma avx512_vnni amx_int8 vmx\n\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 50\nFeatures\t: fp asimd asimddp sve i8mm\n\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lets a test say what the system tells of its processor."""
    cached = (machine.processor, machine.instruction_sets, machine._cpuinfo)

    def told(text: str) -> None:
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "cpuinfo")
        for function in cached:
            function.cache_clear()

    yield told
    for function in cached:
        function.cache_clear()


def test_a_processor_and_its_instruction_sets(cpuinfo):
    cpuinfo(INTEL)
    assert machine.processor() == "Some Processor 3000"
    assert machine.instruction_sets() == ("sse4_2", "avx", "fma", "avx2", "avx512_vnni", "amx_int8")
    cpuinfo(ARM)
    assert machine.instruction_sets() == ("asimd", "asimddp", "i8mm", "sve")


def test_without_linux_numpy_tells(cpuinfo, tmp_path: Path):
    cpuinfo("")
    (tmp_path / "cpuinfo").unlink()
    assert machine.processor()
    assert isinstance(machine.instruction_sets(), tuple)


def test_the_id_is_that_of_what_decides_speed(cpuinfo, monkeypatch: pytest.MonkeyPatch):
    cpuinfo(INTEL)
    first = machine.machine_id()
    assert first == machine.machine_id()
    monkeypatch.setattr(machine, "available_cores", lambda: 999)
    assert machine.machine_id() != first
    monkeypatch.undo()
    cpuinfo(INTEL.replace("avx512_vnni", "vnni_is_missing"))
    assert machine.machine_id() != first


def test_the_facts_are_json_and_true_of_here():
    facts = json.loads(json.dumps(machine.machine_facts()))
    assert facts["cores"] <= facts["cores_of_the_machine"]
    if hasattr(os, "sched_getaffinity"):
        assert facts["affinity"] == sorted(os.sched_getaffinity(0))
    assert facts["id"] == machine.machine_id()


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lets a test say which control groups there are, and in which this process is."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_SELF", tmp_path / "self")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(machine, "_memory", lambda: 64_000_000_000)

    def told(own: str, files: dict[str, str]) -> None:
        (tmp_path / "self").write_text(own)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    return told


def test_the_quota_of_a_container(groups):
    groups("0::/\n", {"cpu.max": "150000 100000\n", "memory.max": "max\n"})
    assert machine.available_cores() == 2
    assert machine.available_memory() == 64_000_000_000


def test_the_jobs_own_control_group_and_those_above_it(groups):
    files = {"slurm/job7/cpu.max": "max 100000", "slurm/cpu.max": "300000 100000", "slurm/memory.max": "9000",
             "slurm/job7/memory.max": "8000"}  # fmt: skip
    groups("0::/slurm/job7\n", files)
    assert machine.available_cores() == 3
    assert machine.available_memory() == 8000
    assert machine.allowed_bytes(None) == 6000
    assert machine.allowed_bytes(2) == 2e9


def test_control_groups_of_version_1(groups):
    files = {"cpu/docker/a/cpu.cfs_quota_us": "50000", "cpu/docker/a/cpu.cfs_period_us": "100000",
             "memory/docker/a/memory.limit_in_bytes": "7000", "cpu/cpu.cfs_quota_us": "-1"}  # fmt: skip
    groups("5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n", files)
    assert machine.available_cores() == 1
    assert machine.available_memory() == 7000


def test_what_a_process_holds():
    assert 0 < machine.resident_bytes(os.getpid()) <= machine.peak_bytes(os.getpid()) or sys.platform != "linux"
    assert machine.resident_bytes(0) == machine.peak_bytes(0) == 0
