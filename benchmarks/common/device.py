"""The machine that a result was measured on, as result files record it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_runtime.common.record import LEFT_OUT, from_json
from edge_runtime.device.fingerprint import fingerprint

EMULATED = "measured in an emulator, so none of its times is that of the CPU it names"
"""What is said of a result whose device is emulated."""


@dataclass(frozen=True)
class Browser:
    """A browser that ran artifacts, in its own words. None is what it does not tell.

    Attributes:
        user_agent: Its name and version, and those of the system.
        memory_gib: Main memory in GiB, rounded to a power of two and capped by the browser.
        isolated: Whether the page was cross-origin isolated, without which there are no threads.
        build: The WebAssembly build of LiteRT.js that it ran.
        clock_ms: Smallest step of its clock, in ms.
    """

    user_agent: str
    memory_gib: float | None
    isolated: bool
    build: str
    clock_ms: float | None


@dataclass(frozen=True)
class Device:
    """A machine. None is what its system does not tell.

    Attributes:
        model: Name of the board or product.
        cpu: Name of the CPU.
        machine: Architecture, as ``platform.machine()`` gives it.
        cores: Cores that the process may use.
        max_frequency_mhz: Highest frequency of the first core in MHz.
        memory_bytes: Main memory in bytes.
        governor: The system's frequency governor.
        frequency_mhz: Frequency of the first core at the start, in MHz.
        temperature_c: Temperature at the start, in degrees Celsius.
        throttled: A Raspberry Pi's throttling flags, hexadecimal.
        os: The operating system.
        tools: Versions of Python and of packages, by name.
        int8_instructions: The CPU's instructions for int8, and AVX2; None in results older than this field.
        emulated: An emulator ran the artifacts, so that times are not this CPU's; None where that is not known.
        browser: The browser that ran the artifacts; None where Python did. All else is then what the browser tells,
            but for the model, which may have been typed on the page.
    """

    model: str | None
    cpu: str | None
    machine: str
    cores: int | None
    max_frequency_mhz: float | None
    memory_bytes: int | None
    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: str | None
    os: str
    tools: dict[str, str]
    int8_instructions: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)
    emulated: bool | None = field(default=None, metadata=LEFT_OUT)
    browser: Browser | None = field(default=None, metadata=LEFT_OUT)

    @property
    def engine(self) -> str:
        """What ran the artifacts: Python, or a browser with what decides its speed."""
        if self.browser is None:
            return "Python"
        isolated = "" if self.browser.isolated else ", not isolated"
        return f"{self.browser.user_agent}, build {self.browser.build}{isolated}"

    @property
    def is_nameless(self) -> bool:
        """Whether it is a phone that nobody named: a browser tells too little to tell one from another."""
        return self.browser is not None and self.model is None

    @property
    def text(self) -> str:
        """The hardware in words."""
        names = [name for name in (self.model, cpu_text(self.cpu, self.int8_instructions)) if name]
        cores = "unknown number of cores" if self.cores is None else f"{self.cores} core{'s' * (self.cores != 1)}"
        return f"{', '.join(names)}, `{self.machine}`, {cores}" + ", emulated" * bool(self.emulated)


def this_device() -> Device:
    """The machine this runs on."""
    return from_json(Device, fingerprint(), "this machine")


def cpu_text(cpu: str | None, int8_instructions: Sequence[str] | None) -> str:
    """A CPU in words, with its int8 instructions where they were recorded: they tell CPUs of one name apart."""
    name = cpu or "unknown CPU"
    if int8_instructions is None:
        return name
    return f"{name} (int8 instructions: {', '.join(f'`{i}`' for i in int8_instructions) or 'none'})"
