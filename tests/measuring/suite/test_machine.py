"""What a machine tells of itself while it measures, and a machine that tells nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from benchmarks.machine import state
from benchmarks.machine.energy import Meter, find_meter
from benchmarks.machine.state import Load, read_load, read_state
from benchmarks.machine.watch import Reading, Watch, joules

PMIC = """   3V7_WL_SW_A current(0)=0.50000000A
        VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=4.00000000V
        VDD_CORE_V volt(15)=0.75000000V
           EXT5V_V volt(24)=5.10000000V
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a single file of the system, and without vcgencmd."""
    monkeypatch.setattr(state, "SYS", tmp_path / "sys")
    monkeypatch.setattr(state, "PROC", tmp_path / "proc")
    monkeypatch.setattr(state, "throttling", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def put(root: Path, **files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).write_text(f"{text}\n")
    return root


def vcgencmd(bare: Path, **answers: str) -> None:
    """A stand-in that answers by its first argument, and fails for another."""
    cases = "".join(f"{name}) printf '%s' '{text}';;\n" for name, text in answers.items())
    script = put(bare / "bin", vcgencmd=f"#!/bin/sh\ncase $1 in\n{cases}*) exit 1;;\nesac") / "vcgencmd"
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_a_board_without_files_tells_nothing_and_says_so(bare: Path) -> None:
    found = read_state()
    assert (found.frequency_mhz, found.temperature_c, found.throttled) == (None, None, None)
    assert found.unknown == ("clock", "temperature", "throttling flags")
    assert read_load().busy is None
    reason = find_meter()
    assert isinstance(reason, str)
    assert all(word in reason for word in ("RAPL", "pmic_read_adc", "battery"))


@pytest.mark.parametrize("text", ["", "nonsense", "-1", "0", "1" * 30])
def test_files_that_hold_nonsense_are_unknown(bare: Path, text: str) -> None:
    put(bare / "sys/class/thermal/thermal_zone0", temp=text)
    put(bare / "sys/devices/system/cpu/cpu0/cpufreq", scaling_cur_freq=text)
    put(bare / "proc", stat=f"cpu {text}")
    assert read_state().unknown == ("clock", "temperature", "throttling flags") and read_load().busy is None


def test_the_fastest_core_and_the_temperature_are_read(bare: Path) -> None:
    put(bare / "sys/class/thermal/thermal_zone0", temp="61250")
    for core, clock in ((0, "600000"), (1, "2400000")):
        put(bare / f"sys/devices/system/cpu/cpu{core}/cpufreq", scaling_cur_freq=clock)
    found = read_state()
    assert (found.frequency_mhz, found.temperature_c) == (2400, 61.25)


def test_on_a_raspberry_pi_the_firmware_knows_the_clock(bare: Path) -> None:
    put(bare / "sys/devices/system/cpu/cpu0/cpufreq", scaling_cur_freq="2400000")
    vcgencmd(bare, measure_clock="frequency(0)=1500398464", measure_temp="temp=80.7")
    found = read_state()
    assert found.frequency_mhz == pytest.approx(1500.4, abs=0.1) and found.temperature_c == 80.7


def test_the_busy_share_is_that_of_the_time_between_two_looks(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(("cpu 100 0 100 700 100 0 0 0 0 0\ncpu0 1", "cpu 140 0 110 740 110 0 0 0 0 0"))
    monkeypatch.setattr(state.time, "sleep", lambda _: put(bare / "proc", stat=next(looks)))
    put(bare / "proc", stat=next(looks))
    assert read_load().busy == pytest.approx(0.5)
    assert "50% busy" in Load(1.5, 0.5).text and "1.50" in Load(1.5, 0.5).text


def test_flags_of_long_ago_are_not_those_of_now() -> None:
    during = state.throttled_meanwhile
    assert during("0x50000", None, "0x50000") is None and during() is None and during(None) is None
    assert during("0x0", "0x4") == during("0x0", "0x40000", "0x0") == during("0x40000", "0x40004") == "throttled"
    assert during("0x10000", "0x40000") == "throttled", "under-voltage was before"
    assert state.all_flags(["0x1", None, "0x4"]) == "0x5" and state.all_flags([None]) is None


def meter() -> Meter:
    found = find_meter()
    assert isinstance(found, Meter), found
    return found


def test_the_counters_of_two_packages_are_added_and_may_start_again(bare: Path) -> None:
    packages = [bare / f"sys/class/powercap/intel-rapl:{i}" for i in range(2)]
    for i, path in enumerate(packages):
        put(path, name=f"package-{i}", energy_uj="9000000", max_energy_range_uj="10000000")
    put(bare / "sys/class/powercap/intel-rapl:0:0", name="core", energy_uj="5")
    rapl = meter()
    assert rapl.unit == "J" and "RAPL" in rapl.source and rapl.read() == 0
    put(packages[0], energy_uj="9500000")
    put(packages[1], energy_uj="1000000")
    assert rapl.read() == pytest.approx(0.5 + 2.0)


def test_a_counter_for_root_alone_is_a_reason(bare: Path) -> None:
    put(bare / "sys/class/powercap/intel-rapl:0", name="package-0")
    assert "only root" in str(find_meter())


def test_the_power_of_a_pi_5_is_the_sum_of_its_rails(bare: Path) -> None:
    vcgencmd(bare, pmic_read_adc=PMIC)
    found = meter()
    assert found.unit == "W" and found.read() == pytest.approx(0.5 * 4 + 2 * 0.75)


def test_a_battery_tells_its_power_only_while_it_is_used(bare: Path) -> None:
    supply = put(bare / "sys/class/power_supply/BAT0", type="Battery", status="Charging", power_now="5000000")
    assert "unplug" in str(find_meter())
    put(supply, status="Discharging")
    assert meter().read() == pytest.approx(5)
    (supply / "power_now").unlink()
    assert "does not tell its power" in str(find_meter())
    put(supply, current_now="-1200000", voltage_now="4000000")
    assert meter().read() == pytest.approx(4.8)


def readings(*pairs: tuple[float, float | None]) -> list[Reading]:
    return [Reading(at, None, energy) for at, energy in pairs]


def test_energy_between_two_moments() -> None:
    counter, power = (Meter("it", unit, lambda: None) for unit in ("J", "W"))
    counted = readings((0, 10.0), (2, None), (4, 30.0), (8, 30.0))
    assert joules(counted, counter, 1, 6) == pytest.approx(15), "from 15 J after 1 s to 30 J"
    told = readings((0, 2.0), (4, 6.0), (8, 6.0))
    assert joules(told, power, 2, 6) == pytest.approx((4 + 6) / 2 * 2 + 6 * 2)
    assert joules(told, power, 2, 3) is None, "too short"
    assert joules(told, power, 2, 9) is None, "it ends after the last reading"
    assert joules(told[:1], power, 0, 4) is None


def test_a_watch_reads_until_its_end() -> None:
    values = iter(range(100))
    with Watch(Meter("it", "W", lambda: float(next(values))), states=False) as watch:
        pass
    assert len(watch.readings) >= 2 and watch.readings[-1].at_s >= watch.readings[0].at_s
    assert [reading.energy for reading in watch.readings][:2] == [0, 1] and watch.readings[0].state is None
    with Watch(None, states=False) as idle:
        pass
    assert not idle.readings
