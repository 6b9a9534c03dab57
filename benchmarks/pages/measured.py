"""The sentence below a heading that says what a table was measured on, from its result file."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.common.device import Device
from benchmarks.common.measured import Measured
from benchmarks.common.render import code
from edge_runtime.common.cli import counted

SHOWN = {
    "python": "Python",
    **{
        name: name
        for name in (
            "ai-edge-litert",
            "tflite-runtime",
            "numpy",
            "onnxruntime",
            "openvino",
            "nncf",
            "torch",
            "tensorflow",
            "onnx2tf",
        )
    },
}
"""Packages whose versions are shown, and the names they are shown by."""

_HASH = 12
"""Digits of a commit that are shown."""


def measured_on(document: Measured) -> str:
    """``Measured on <CPU, architecture, cores>; <threads>; <versions>; <date>, <commit>.``, without what is unknown."""
    return _sentence(
        "Measured", document.device, document.threads, document.tools or document.device.tools, document.date,
        document.git_commit,
    )  # fmt: skip


def made_with(
    verb: str, tools: Mapping[str, str], commit: str | None, device: Device | None = None, date: str | None = None
) -> str:
    """The same for a document that lacks some of it; ``verb`` begins the sentence."""
    return _sentence(verb, device, None, tools, date, commit)


def _sentence(
    verb: str,
    device: Device | None,
    threads: int | None,
    tools: Mapping[str, str],
    date: str | None,
    commit: str | None,
) -> str:
    versions = [f"{name} {tools[package]}" for package, name in SHOWN.items() if package in tools]
    parts = [
        device.text if device else "",
        counted(threads, "thread") if threads else "",
        ", ".join(versions),
        ", ".join(text for text in (date, _commit_text(commit)) if text),
    ]
    return f"{verb} {'on' if device else 'with'} {'; '.join(part for part in parts if part)}."


def _commit_text(commit: str | None) -> str | None:
    if commit is None:
        return None
    digits, _, dirty = commit.partition("-")
    return f"commit {code(digits[:_HASH])}" + (" with local changes" if dirty else "")
