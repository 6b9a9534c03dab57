"""Judges what .ci/wheels left in its environments, prints the table, and writes the result file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge_runtime.common.files import write_json
from edge_runtime.common.provenance import git_commit
from edge_runtime.device.fingerprint import fingerprint

SAME_MM = 1e-6
"""Two circumferences from the same mask: NumPy's versions may sum in another order."""

HEADER = (
    "Python", "packages", "numpy", "interpreter", "golden", "mask Dice", "HC (mm)", "peak (MB)", "on disk (MB)",
)  # fmt: skip


def read(environment: Path) -> dict[str, Any]:
    """One environment's row: what is installed, and what it answered."""
    verify, info, measure, bench = (
        json.loads((environment / f"{name}.json").read_text()) for name in ("verify", "info", "measure", "bench")
    )
    tools, result = info["device"]["tools"], bench["results"][0]
    return {
        "packages": environment.name.split("-")[1],
        "python": tools["python"],
        "numpy": tools["numpy"],
        "pillow": tools["pillow"],
        "backend": verify["backend"],
        "backend_version": tools[verify["backend"]],
        "golden": verify["golden"],
        "head_circumference_mm": measure["head_circumference_mm"],
        "embedded_head_circumference_mm": float((environment / "embed.txt").read_text()),
        "peak_memory_bytes": result["peak_memory_bytes"],
        "installed_bytes": sum(file.stat().st_size for file in (environment / "lib").rglob("*") if file.is_file()),
    }


def faults(row: dict[str, Any], wanted_mm: float) -> list[str]:
    """What is wrong with a row, in words."""
    found, golden = [], row["golden"]
    if row["backend"] == "ai-edge-litert" and golden["n_identical"] < golden["n_frames"]:
        found.append(f"{golden['n_identical']} of {golden['n_frames']} golden outputs are the export's bytes")
    if row["head_circumference_mm"] is None or (
        row["backend"] == "ai-edge-litert" and abs(row["head_circumference_mm"] - wanted_mm) > SAME_MM
    ):
        found.append(f"HC is {row['head_circumference_mm']} mm, in the development environment {wanted_mm} mm")
    if row["embedded_head_circumference_mm"] != row["head_circumference_mm"]:
        found.append(f"HC is {row['embedded_head_circumference_mm']} mm from the same frame in an array")
    return found


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    golden, hc = row["golden"], row["head_circumference_mm"]
    return (
        row["python"],
        row["packages"],
        row["numpy"],
        f"{row['backend']} {row['backend_version']}",
        f"{golden['n_identical']}/{golden['n_frames']}",
        f"{golden['mask_dice']:.5f}",
        "refused" if hc is None else f"{hc:.3f}",
        f"{row['peak_memory_bytes'] / 1e6:.0f}",
        f"{row['installed_bytes'] / 1e6:.0f}",
    )


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("environments", type=Path)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--wanted-mm", type=float, required=True)
    parser.add_argument("--skipped", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    folders = sorted(args.environments.iterdir()) if args.environments.is_dir() else []
    rows = [read(folder) for folder in folders]
    if not rows:
        print("No Python from 3.10 to 3.14 is here: nothing was run.", file=sys.stderr)
        return 1
    print_table([HEADER, *map(cells, rows)])
    wrong = [
        f"Python {row['python']}, {row['packages']}: {fault}" for row in rows for fault in faults(row, args.wanted_mm)
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    if args.out:
        wheel = {"name": args.wheel.name, "size_bytes": args.wheel.stat().st_size}
        document = {
            "schema_version": 1,
            "git_commit": git_commit(),
            "device": fingerprint(),
            "wheel": wheel,
            "wanted_head_circumference_mm": args.wanted_mm,
            "skipped": args.skipped,
            "environments": rows,
        }
        write_json(args.out, document)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
