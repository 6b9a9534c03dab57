"""A section of ``docs/int8.md``: what the loss of full int8 comes from, where it is beyond the budget."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.render import Block, Figure, Heading, Paragraph, Table, code
from benchmarks.common.tables import number
from benchmarks.int8.ladder import LadderDocument
from benchmarks.pictures.stretches_plot import stretches
from export.quantization.causes import Causes
from export.quantization.stretches import LAYERS

FIGURE = "stretches.svg"
ENCODER_LAYERS = 52
"""Layers of MobileNetV2, the first of the paper's networks."""


def section(documents: Sequence[LadderDocument]) -> list[Block]:
    """It is left out if no result has the figures."""
    found = [(document, causes) for document in documents if (causes := document.quantization.causes)]
    if not found:
        return []
    text = (
        "An export measures this where no full int8 is within the budget. It takes the full int8 that loses least, and "
        "rounds only the weights, or only the values between the operators. For comparison, one column has the shift "
        "in float32 when each pixel of the frame changes by at most one grey level."
    )
    rows = []
    for document, causes in found:
        quantization = document.quantization
        whole = next((rung for rung in quantization.rungs if rung.name == causes.method), None)
        rows.append([
            _name(document),
            number(quantization.allowed_hc_shift_mm, 2),
            number(quantization.noise_hc_shift_mm, 2),
            number(causes.weights_hc_shift_mm, 2),
            number(causes.values_hc_shift_mm, 2),
            f"{number(whole.hc_shift_mm if whole else None, 2)} ({causes.method})",
        ])  # fmt: skip
    header = (
        "network", "allowed HC shift (mm)", "one grey level of noise, in float32 (mm)", "only weights rounded (mm)",
        "only values rounded (mm)", "both: full int8 (mm)",
    )  # fmt: skip
    networks = {_plain_name(document): causes.stretch_costs for document, causes in found if _is_papers(causes)}
    picture = [Figure(FIGURE, stretches(networks, LAYERS), _alt(networks), _caption(len(networks)))] if networks else []
    return [Heading("What the loss comes from", 3), Paragraph(text), Table(header, rows), *_verdict(found), *picture]


def _verdict(found: Sequence[tuple[LadderDocument, Causes]]) -> list[Block]:
    """What better rounding of the weights could reach."""
    beyond = [
        code(document.strategy)
        for document, causes in found
        if (causes.values_hc_shift_mm or 0.0) > document.quantization.allowed_hc_shift_mm
    ]
    if not beyond:
        return []
    names = " and ".join([", ".join(beyond[:-1]), beyond[-1]] if len(beyond) > 1 else beyond)
    return [
        Paragraph(
            f"For {names}, the values alone shift HC by more than is allowed. No finer rounding of the weights "
            "(AdaRound, BRECQ, GPTQ) can bring these within the budget: the values would have to be finer, or the "
            "network less sensitive."
        )
    ]


def _is_papers(causes: Causes) -> bool:
    """Whether a network has MobileNetV2 as its encoder and the paper's decoder."""
    return causes.n_layers > ENCODER_LAYERS


def _name(document: LadderDocument) -> str:
    return f"{code(document.strategy)} at {document.size[0]}x{document.size[1]}"


def _plain_name(document: LadderDocument) -> str:
    return _name(document).replace("`", "")


def _caption(count: int) -> str:
    networks = "the network" if count == 1 else f"each of the {count} networks"
    return (
        f"Where rounding changes the probabilities: for {networks}, one stretch of {LAYERS} layers at a time is in "
        "int8, and the figure is its share of the sum over all stretches. Layers are counted in the order of "
        f"computation; the encoder has the first {ENCODER_LAYERS}."
    )


def _alt(networks: dict[str, tuple[float, ...]]) -> str:
    worst = []
    for name, costs in networks.items():
        place = max(range(len(costs)), key=lambda i: costs[i])
        share = costs[place] / (sum(costs) or 1.0)
        worst.append(f"{name}: layers {LAYERS * place + 1} to {LAYERS * (place + 1)}, {share:.0%}")
    return f"Share of each stretch of layers in what rounding costs. The largest of each network: {'; '.join(worst)}."
