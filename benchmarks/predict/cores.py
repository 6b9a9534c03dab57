"""The cores that costs are predicted for: what they can issue in a cycle, and where that is published."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.predict.instructions import Instructions, Kernels

IN_ORDER, OUT_OF_ORDER = 0.8, 0.55
"""Share of the issue limits that a whole network reaches; the rest is waiting for data and for results.

The only fitted constants, rounded to 0.05: with them the geometric means over :mod:`benchmarks.predict.published` are
near 1. Cores that start instructions in order come closer to their limits, which are lower, and their kernels are
scheduled by hand.
"""

OVERHEAD_CYCLES = 4_000
"""Cycles of an operator besides its kernel: choosing it, calling it, first touching its data.

Nothing is published. Under QEMU an operator executes fewer than 500 instructions besides its kernel. The fastest
operator of ``benchmarks/results/pareto/speeds/avx512-vnni.json`` takes 3.3 us alone, 1.4 us more than its
multiplications at the speed of its neighbours: about 4,000 cycles. That is 0.3 to 3 % of the networks that are
predicted here.
"""


@dataclass(frozen=True)
class Core:
    """A core on a board, running one thread.

    Attributes:
        name: Arm's name.
        board: The board or phone.
        clock_ghz: Clock in GHz.
        kernels: Which convolution kernels XNNPACK chooses on it.
        multiply: Widening multiplications that it can start in a cycle.
        vector: Vector instructions of 128 bits that it can start in a cycle.
        memory: Loads and stores that it can start in a cycle.
        instructions: Instructions that it can start in a cycle.
        sustained: Share of these limits that a whole network reaches, 0 to 1.
        gb_s: Bytes that one core moves from and to main memory, in 1e9 a second, read and written bytes together.
        issue_source: Where the issue limits are published.
        memory_source: Where the memory's speed is published.
    """

    name: str
    board: str
    clock_ghz: float
    kernels: Kernels
    multiply: float
    vector: float
    memory: float
    instructions: float
    sustained: float
    gb_s: float
    issue_source: str
    memory_source: str

    @property
    def key(self) -> str:
        """Its name in tables: core and clock."""
        return f"{self.name.removeprefix('Cortex-')} {self.clock_ghz:g} GHz"

    @property
    def peak_gmac_s(self) -> float:
        """Multiply-accumulates in 1e9 a second if it did nothing but multiply: 4, 8 or 16 in an instruction."""
        each = {"lanes": 4 * self.vector, "pairs": 8 * self.multiply, "dot": 16 * self.vector}
        return each[self.kernels] * self.clock_ghz

    def cycles(self, work: Instructions) -> float:
        """Fewest cycles that instructions can take: those of the unit that is busiest."""
        return max(
            work.multiply / self.multiply,
            work.in_vectors / self.vector,
            work.memory / self.memory,
            work.total / self.instructions,
        )

    def compute_s(self, work: Instructions) -> float:
        """Time of instructions in s, at the share of the limits that networks reach."""
        return self.cycles(work) / self.sustained / (self.clock_ghz * 1e9)

    def seconds(self, work: Instructions, n_bytes: int) -> float:
        """Time of one operator in s: the longer of computing and moving its bytes, and the overhead.

        Args:
            work: Its instructions.
            n_bytes: Bytes that it reads and writes.
        """
        return max(self.compute_s(work), self.move_s(n_bytes)) + OVERHEAD_CYCLES / (self.clock_ghz * 1e9)

    def move_s(self, n_bytes: int) -> float:
        """Time to move bytes from and to main memory, in s."""
        return n_bytes / (self.gb_s * 1e9)


A53 = Core(
    "Cortex-A53", "Raspberry Pi 3B+", 1.4, "lanes", 1, 1, 1, 2, IN_ORDER, 2.3,
    "LLVM, AArch64SchedA53.td, after Arm's Cortex-A53 Software Optimisation Specification: in order, 2 instructions a "
    "cycle, one load/store unit, a 64-bit ASIMD datapath. LLVM lets a 128-bit instruction occupy a pipe for 2 cycles; "
    "there are two pipes, and XNNPACK's README (46 ms for INT8 MobileNet v1 on 4 cores) needs more than one "
    "multiplication in 2 cycles, so 1 vector instruction a cycle is taken",
    "ThomasKaiser/sbc-bench, Results.md: tinymembench memcpy 1130 MB/s, read and written",
)  # fmt: skip
A72 = Core(
    "Cortex-A72", "Raspberry Pi 4", 1.5, "pairs", 1, 2, 1, 3, OUT_OF_ORDER, 5.1,
    "Arm, Cortex-A72 Software Optimization Guide (UAN 0016A): FP/ASIMD-0 with the integer multiply, FP/ASIMD-1, a load "
    "and a store pipe. LLVM uses AArch64SchedA57.td for it: 3 instructions decoded a cycle, other ASIMD on either pipe",
    "ThomasKaiser/sbc-bench, Results.md: tinymembench memcpy 2550 MB/s, read and written",
)  # fmt: skip
A76 = Core(
    "Cortex-A76", "Raspberry Pi 5", 2.4, "dot", 1, 2, 2, 4, OUT_OF_ORDER, 10.2,
    "LLVM, AArch64SchedNeoverseN1.td, after Arm's Neoverse N1 Software Optimization Guide (the A76's server sibling; "
    "the tables of the A76's own guide could not be read): ASIMD integer multiply on V0 alone, other ASIMD, so also "
    "dot product, on V0 and V1, two load/store pipes; AnandTech, Arm Cortex-A76 CPU Unveiled: 4 instructions decoded a "
    "cycle",
    "ggml-org/llama.cpp issue 26484: STREAM copy on one thread, 10.22 GB/s",
)  # fmt: skip


def at(core: Core, clock_ghz: float, board: str | None = None) -> Core:
    """The same core at another clock, or on another board."""
    return replace(core, clock_ghz=clock_ghz, board=board or core.board)


CORES = (A53, A72, at(A72, 1.8), A76)
"""What the command predicts for. A Raspberry Pi 4 runs at 1.5 GHz, newer ones with a newer system at 1.8 GHz."""
