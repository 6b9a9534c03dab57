"""``python -m benchmarks compare``: two result files, figure by figure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.device import EMULATED
from benchmarks.common.intervals import Interval
from benchmarks.common.tables import number, text_table
from benchmarks.suite.columns import title
from benchmarks.suite.document import Result, SuiteDocument, load_document
from benchmarks.suite.verdicts import (
    MARGIN,
    NO_DIFFERENCE,
    NOT_COMPARED,
    SIZE,
    Verdict,
    compare_images,
    compare_rounds,
    compare_size,
)
from edge_runtime.common.arguments import above, add_out, checked_out
from edge_runtime.common.cli import say
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.errors import UsageError

SCHEMA_VERSION = 1

MACHINE = ("model", "cpu", "machine", "int8_instructions", "cores", "governor", "engine")
TIMED = ("threads", "data", "latency_images")
"""What must be equal for times to be compared, of the device and of the conditions."""

SCORED = ("data", "split", "images_sha256")
"""The same for scores."""

TOLD = ("mode", "frames", "seconds", "warmup", "rounds")
"""What is said where it differs, and does not keep anything from being compared."""

HEADER = ("artifact", "figure", "A", "B", "change [95 %]", "verdict")


@dataclass(frozen=True)
class Comparison:
    """Two results, compared.

    Attributes:
        schema_version: :data:`SCHEMA_VERSION`.
        before: Name of A's file.
        after: Name of B's file.
        margin: Share by which a time, a size or a memory must differ.
        differences: How the two were measured differently, a sentence each.
        missing: Artifacts that only one of the two measured, with a sentence each.
        verdicts: One for each figure of each artifact that both have.
        regressions: What decides the exit code, a sentence each; empty if nothing does.
    """

    schema_version: int
    before: str
    after: str
    margin: float
    differences: tuple[str, ...]
    missing: dict[str, str]
    verdicts: tuple[Verdict, ...]
    regressions: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("before", type=Path, metavar="A.json", help="a result of run")
    parser.add_argument("after", type=Path, metavar="B.json", help="another result of run")
    parser.add_argument(
        "--margin", type=above(0, 1000), default=100 * MARGIN, metavar="PERCENT",
        help="times, memory, energy and size must differ by this much (default: %(default)g)",
    )  # fmt: skip
    add_out(parser)
    parser.set_defaults(action=run)


def run(args: argparse.Namespace) -> int:
    """Print a verdict for each figure; the exit code is 1 after a regression, or where nothing could be compared.

    Raises:
        UsageError: A file cannot be read, or ``--out`` is one of the two.
    """
    if args.out and args.out.resolve() in (args.before.resolve(), args.after.resolve()):
        raise UsageError(f"--out {args.out} is one of the two results. Name another file.")
    checked_out(args.out, args.overwrite)
    before, after = load_document(args.before), load_document(args.after)
    found = compare(before, after, args.margin / 100, (args.before.name, args.after.name))
    say(f"A: {args.before}\nB: {args.after}\n")
    for text in (*found.differences, *found.missing.values()):
        say(f"warning: {text}")
    titles = {result.artifact: title(result) for result in (*after.results, *before.results)}
    shown = [v for v in found.verdicts if v.decides or v.word not in (NO_DIFFERENCE, NOT_COMPARED)]
    rows = [_row(verdict, titles) for verdict in shown]
    say("\n" + text_table(HEADER, rows))
    unjudged = sorted({v.figure for v in found.verdicts if v.decides and v.word == NOT_COMPARED})
    good = "no regression" + (f" in what could be compared; not compared: {', '.join(unjudged)}" if unjudged else "")
    say("\n" + ("\n".join(f"regression: {text}" for text in found.regressions) or good))
    if args.out:
        write_json(args.out, to_json(found))
        say(f"\nwritten: {args.out}")
    return 1 if found.regressions else 0


def compare(before: SuiteDocument, after: SuiteDocument, margin: float, names: tuple[str, str]) -> Comparison:
    """Compare two results.

    Args:
        before: A.
        after: B.
        margin: Share by which a time, a size or a memory must differ.
        names: Of their files.
    """
    machine = _differing(before.device, after.device, MACHINE)
    timed, scored = (_differing(before.conditions, after.conditions, fields) for fields in (TIMED, SCORED))
    no_times = f"other {', '.join([*machine, *timed])}" if machine or timed else None
    if before.device.emulated or after.device.emulated:
        no_times = "emulated"
    if before.device.is_nameless or after.device.is_nameless:
        no_times = no_times or "a phone without a name"
    a, b = ({result.artifact: result for result in document.results} for document in (before, after))
    verdicts: list[Verdict] = []
    for name in a:
        if name in b and not a[name].error and not b[name].error:
            verdicts += compare_rounds(a[name], b[name], margin, no_times)
            verdicts += compare_size(a[name], b[name], margin)
            verdicts += compare_images(a[name], b[name], "other images" if scored else None)
    missing = _missing(a, b)
    regressions = [f"{v.artifact}: {v.figure} is {v.word}" for v in verdicts if v.decides and v.is_regression]
    regressions += [text for name, text in missing.items() if name in a and not a[name].error]
    if all(verdict.word == NOT_COMPARED for verdict in verdicts if verdict.figure != SIZE):
        regressions.append("nothing could be compared, so nothing is known")
    return Comparison(
        SCHEMA_VERSION,
        *names,
        margin=margin,
        differences=tuple(differences(before, after)),
        missing=missing,
        verdicts=tuple(verdicts),
        regressions=tuple(regressions),
    )


def _differing(a: object, b: object, names: Sequence[str]) -> list[str]:
    """Those fields that both know, and that differ."""
    pairs = [(name, getattr(a, name), getattr(b, name)) for name in names]
    return [name for name, one, other in pairs if one is not None and other is not None and one != other]


def _missing(a: dict[str, Result], b: dict[str, Result]) -> dict[str, str]:
    """Artifacts that only one of two results has, or could measure."""
    found = {name: f"{name} is in A alone" for name in a if name not in b}
    found |= {name: f"{name} is in B alone" for name in b if name not in a}
    for name in (name for name in a if name in b):
        sides = [side for side, result in (("A", a[name]), ("B", b[name])) if result.error]
        if sides:
            found[name] = f"{name} could not be measured in {' and '.join(sides)}: {b[name].error or a[name].error}"
    return found


def differences(before: SuiteDocument, after: SuiteDocument) -> list[str]:
    """How two results were measured differently, one sentence each, with what it means."""
    found = []
    for a_part, b_part, names, means in (
        (before.device, after.device, MACHINE, "times, memory and energy are not compared"),
        (before.conditions, after.conditions, TIMED, "times, memory and energy are not compared"),
        (before.conditions, after.conditions, SCORED[1:], "scores are not compared"),
        (before.device, after.device, ("tools",), "figures may differ because of that"),
        (before.conditions, after.conditions, TOLD, "figures may differ because of that"),
    ):
        for name in names:
            a, b = getattr(a_part, name), getattr(b_part, name)
            is_unknown = a is None or b is None
            if a == b or (is_unknown and names is TOLD):  # an older result does not tell
                continue
            found.append(f"{name} differs ({_short(a, b)}); {'this is not known' if is_unknown else means}.")
    a_models, b_models = ({r.artifact: r.model_sha256 for r in document.results} for document in (before, after))
    changed = [name for name in a_models if name in b_models and a_models[name] != b_models[name]]
    if changed:
        found.append(f"these are not the same model files in A and B: {', '.join(changed)}.")
    for side, document in (("A", before), ("B", after)):
        if document.device.emulated:
            found.append(f"{side} was {EMULATED}; times, memory and energy are not compared.")
        if document.device.is_nameless:
            found.append(f"the phone of {side} was not named on its page: it may be any, so times are not compared.")
        if busy := document.conditions.busy:
            found.append(f"other work took part of the machine's time in {side} ({busy}).")
        found += [f"in {side}, {said}." for said in document.slowed]
        unstable = [result.artifact for result in document.results if result.unstable]
        if unstable:
            found.append(f"unstable in {side}, so that little can be shown: {', '.join(unstable)}.")
    return found


def _short(a: object, b: object) -> str:
    """Both values; of two dictionaries only what differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
        return ", ".join(f"{key}: {a.get(key)} in A, {b.get(key)} in B" for key in keys)
    a, b = (", ".join(value) or "none" if isinstance(value, tuple) else value for value in (a, b))
    return f"{a} in A, {b} in B"


def _row(verdict: Verdict, titles: dict[str, str]) -> list[str]:
    change = verdict.change
    digits = 3 if verdict.is_difference or (verdict.before or 0) < 10 else 1
    return [
        titles[verdict.artifact],
        verdict.figure,
        number(verdict.before, digits),
        number(verdict.after, digits),
        "" if change is None else _change(change, verdict),
        verdict.word + (f": {verdict.reason}" if verdict.reason else ""),
    ]


def _change(change: Interval, verdict: Verdict) -> str:
    """A change with its interval: ``0.93x [0.91x, 0.95x]``, or ``-0.02 [-0.05, +0.01]``."""
    value, *ends = (
        number(end, 3, sign=True) if verdict.is_difference else f"{end:.2f}x"
        for end in (change.value, change.low, change.high)
        if end is not None
    )
    return f"{value} [{', '.join(ends)}]" if ends else value
