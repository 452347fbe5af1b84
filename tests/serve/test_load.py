from __future__ import annotations

from tests.serve_load import measured, verdict


def test_2_000_requests_with_hostile_files_and_a_killed_worker():
    result = measured(2000, kills=1, clients=16)
    assert verdict(result, 2000, 1, 16) == [], result
    assert result["counted"]["right"] > 1900
    assert result["counted"]["error row"] >= 10


def test_the_verdict_sees_what_is_wrong():
    good = {"counted": {"right": 99, "error row": 1}, "memory": [100 << 20] * 10, "restarts": 1}
    assert verdict(good, 100, 1, 4) == []
    for change in (
        {"counted": {"right": 99, "lost: broken": 1}}, {"counted": {"right": 99, "wrong: x": 1}},
        {"counted": {"right": 99}}, {"counted": {"right": 90, "crashed": 10}}, {"restarts": 0},
        {"memory": [100 << 20] * 9 + [200 << 20]},
    ):  # fmt: skip
        assert len(verdict({**good, **change}, 100, 1, 4)) == 1
