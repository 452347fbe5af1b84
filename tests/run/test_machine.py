"""The machine block: what it names, and that its short name changes with what decides speed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mediasift.models import processor
from mediasift.run import machine

INTEL = (
    "processor\t: 0\nmodel name\t: Some Processor 3000\nflags\t\t: fpu sse4_2 avx avx2 fma avx512_vnni amx_int8 vmx\n\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 50\nFeatures\t: fp asimd asimddp sve i8mm\n\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lets a test say what the system tells of its processor."""
    cached = (processor.processor, processor.instruction_sets, processor._cpuinfo)

    def told(text: str) -> None:
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
        for function in cached:
            function.cache_clear()

    yield told
    for function in cached:
        function.cache_clear()


def test_a_processor_and_its_instruction_sets(cpuinfo):
    cpuinfo(INTEL)
    assert processor.processor() == "Some Processor 3000"
    assert processor.instruction_sets() == ("sse4_2", "avx", "fma", "avx2", "avx512_vnni", "amx_int8")
    cpuinfo(ARM)
    assert processor.instruction_sets() == ("asimd", "asimddp", "i8mm", "sve")


def test_without_linux_numpy_tells(cpuinfo, tmp_path: Path):
    cpuinfo("")
    (tmp_path / "cpuinfo").unlink()
    assert processor.processor()
    assert isinstance(processor.instruction_sets(), tuple)


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
