"""The section of ``docs/int8.md`` on the engines that a user would pick instead."""

from __future__ import annotations

from benchmarks.common.render import Block, Heading, Paragraph, Table, code
from benchmarks.common.result_files import RESULTS
from benchmarks.pages.int8_accuracy import size_text
from benchmarks.pages.measured import measured_on
from benchmarks.peers.document import PeersDocument, read_peers
from benchmarks.peers.table import body, failures, header

PEERS = RESULTS / "peers"


def sections() -> list[Block]:
    """Every result, a table for each network."""
    documents = [read_peers(path) for path in sorted(PEERS.glob("*.json"))]
    if not documents:
        return []
    text = (
        "`python -m benchmarks peers` measures this: the shipped weights in each engine, by what its own documentation "
        "shows. Each runs in an environment and a process of its own. int8 is calibrated on the same images as the "
        "export, and all are judged by the same scorer. Mask Dice is the agreement of its masks with torch's. Images "
        "are refused by the runtime's general limits alone: those of the shipped models' own, which refuse more, hold "
        "for their files and not for another engine's."
    )
    columns = (
        "The column `model` counts the files that a device needs, a manifest included, and `engine` the engine's "
        "package as pip installs it, without numpy and Python; ExecuTorch's also needs torch's, but on a device both "
        "are replaced by a small C++ library that nobody here built. Peak memory is that of a Python process on one "
        "thread. A time is that of one frame, from its prepared bytes to logits; an engine has as many cores as "
        "threads. `times ours` is its time over that of the shipped LiteRT int8, for each number of threads."
    )
    blocks: list[Block] = [Heading("Against what a user would pick instead"), Paragraph(text), Paragraph(columns)]
    for document in documents:
        blocks += _document(document)
    return blocks


def _document(document: PeersDocument) -> list[Block]:
    timed = (
        f"Times are over {document.rounds} rounds of {document.frames} frames."
        if document.rounds
        else "Nothing was timed."
    )
    blocks: list[Block] = []
    for network in document.networks:
        conditions = (
            f"{network.n_images} images of {network.data} ({code(network.part)}), which the checkpoint has not seen; "
            f"int8 calibrated on {network.n_calibration}. {timed} {measured_on(document)}"
        )
        missing = failures(network)
        blocks += [
            Heading(f"{code(network.strategy)} at {size_text(network.size)}", 3),
            Paragraph(conditions),
            Table(tuple(header(network)), body(network)),
            *([Paragraph(f"Not measured: {'; '.join(missing)}.")] if missing else []),
        ]
    return blocks
