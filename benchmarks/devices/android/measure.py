"""Sends the tool and models to a phone, runs them in turns, and removes them."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.devices.android.adb import Phone
from benchmarks.devices.android.phone_facts import ask_device, thermal_status
from benchmarks.devices.android.tool import parse_tool, tool_command
from benchmarks.suite.artifacts import Artifact
from benchmarks.suite.document import SCHEMA_VERSION, Conditions, Result, SuiteDocument
from benchmarks.suite.network_only import NetworkOnly, ToolRun
from benchmarks.suite.run import unmeasured
from edge_runtime.artifact.manifest import read_model
from edge_runtime.common.cli import say
from edge_runtime.common.provenance import git_commit
from edge_runtime.errors import DeviceError, FetalHeadError

FOLDER = "/data/local/tmp/fetal-head-edge"
TOOL = "benchmark_model"
RANDOM = "random values"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        threads: CPU threads.
        rounds: Rounds over all models.
        runs: Timed runs of the network in a round, at least.
        seconds: Time that they take, at least.
        warmup: Runs before them.
    """

    threads: int
    rounds: int
    runs: int
    seconds: float
    warmup: int


def measure(phone: Phone, tool: Path, artifacts: Sequence[Artifact], plan: Plan) -> SuiteDocument:
    """Measure models on a phone. One that fails is reported, the others are still measured.

    Args:
        phone: The phone.
        tool: ``benchmark_model`` for it.
        artifacts: The models.
        plan: How much to measure.

    Raises:
        DeviceError: The phone was lost, or has no room.
    """
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    device = ask_device(phone)
    say(f"phone: {device.text}, {device.os}")
    runs: dict[str, list[tuple[ToolRun, int | None]]] = {artifact.name: [] for artifact in artifacts}
    errors = {artifact.name: error for artifact in artifacts if (error := _unusable(artifact))}
    names = {artifact.name: f"{number}.tflite" for number, artifact in enumerate(artifacts)}
    files = {TOOL: tool, **{names[a.name]: a.path for a in artifacts if a.name not in errors}}
    with _sent(phone, files):
        for turn in range(plan.rounds):
            for artifact in artifacts:
                if artifact.name in errors:
                    continue
                command = tool_command(
                    FOLDER, TOOL, names[artifact.name], plan.threads, plan.runs, plan.warmup, plan.seconds
                )
                text = phone.shell(f"{command}; true", limit_s=600 + 8 * plan.seconds)
                try:
                    run = parse_tool(text)
                except DeviceError as error:
                    errors[artifact.name] = str(error)
                    say(f"  error: {artifact.name}: {error}")
                    continue
                runs[artifact.name].append((run, thermal_status(phone)))
                say(f"  round {turn + 1}/{plan.rounds}  {artifact.name:<24} mean {run.mean_ms:8.2f} ms")
    sha256 = hashlib.sha256(tool.read_bytes()).hexdigest()
    results = tuple(_result(a, runs[a.name], errors.get(a.name), sha256) for a in artifacts)
    return SuiteDocument(SCHEMA_VERSION, device, _conditions(date, plan), results)


def _unusable(artifact: Artifact) -> str | None:
    """Why a model is not measured; None if it can be."""
    if artifact.manifest is None:
        return artifact.error
    try:
        read_model(artifact.path, artifact.manifest)
    except FetalHeadError as error:
        return artifact.describe_error(error)
    return None


@contextlib.contextmanager
def _sent(phone: Phone, files: dict[str, Path]) -> Iterator[None]:
    """Files in a folder on the phone, by their names there; it is removed afterwards."""
    try:
        phone.shell(f"rm -rf {FOLDER} && mkdir -p {FOLDER}")
        for name, path in files.items():
            phone.push(path, f"{FOLDER}/{name}")
        phone.shell(f"chmod 755 {FOLDER}/{TOOL}")
        yield
    finally:
        with contextlib.suppress(FetalHeadError):  # what went wrong before matters more
            phone.shell(f"rm -rf {FOLDER}")


def _result(
    artifact: Artifact, runs: Sequence[tuple[ToolRun, int | None]], error: str | None, tool_sha256: str
) -> Result:
    return replace(
        unmeasured(artifact, error),
        degradation_reason="nothing was scored: the tool's input is random",
        input_size=artifact.manifest.size if artifact.manifest else None,
        network_only=None
        if error
        else NetworkOnly(TOOL, tool_sha256, RANDOM, tuple(r for r, _ in runs), tuple(status for _, status in runs)),
    )


def _conditions(date: str, plan: Plan) -> Conditions:
    return Conditions(
        date=date,
        git_commit=git_commit(),
        arguments={"command": "android"},
        threads=plan.threads,
        frames=plan.runs,
        warmup=plan.warmup,
        rounds=plan.rounds,
        latency_images=(),
        load_average_1min=None,
        data=RANDOM,
        is_phantom=False,
        split="none",
        split_sha256="",
        n_images=0,
        n_images_in_test_part=0,
        images_sha256="",
        seconds=plan.seconds,
        timed_steps=("invoke",),
    )
