"""Costs on cores that nobody here has: formulas by hand, and against counted instructions and published times."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.commands import predict as command
from benchmarks.predict.cores import A53, A72, A76, CORES, OVERHEAD_CYCLES, Core, at
from benchmarks.predict.cost import MARK, document, predict, read_predicted, table
from benchmarks.predict.counted import COUNTED, read_counts
from benchmarks.predict.instructions import Instructions, convolution, depthwise
from benchmarks.predict.layers import Layer, layers_of
from benchmarks.predict.networks import NETWORKS, efficientdet_lite, mobilenet_v1, mobilenet_v2
from benchmarks.predict.published import FOUR_THREADS, OLD_KERNELS, PUBLISHED, checks, layer_s, predict_ms, uncertainty
from benchmarks.roofline.peak import CHANNELS, MACS, SIDE, peak_model
from edge_runtime.common.record import to_json
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.shipped import SIZES as SHIPPED_SIZES
from edge_runtime.shipped import shipped_model
from export.tflite.model import Model
from tests.helpers.places import ROOT, Run

SHIPPED = shipped_model("edge-l")
"""Of the shipped models the one with every kind of layer."""

PAGE = ROOT / "docs" / "devices.md"
SIZES = COUNTED.with_name("sizes.json")
BY_CPU = {"cortex-a53": A53, "cortex-a72": A72, "cortex-a76": A76}


def test_a_convolution_multiplies_whole_tiles() -> None:
    # 8 pixels, 4 channels to 16: nothing is rounded up with SDOT, 4 multiply-accumulates in each of 4 lanes
    assert convolution("dot", 8, 4, 16, 1).dot == 8 * 4 * 16 / 16
    assert convolution("dot", 8, 1, 1, 1).dot == convolution("dot", 8, 4, 16, 1).dot  # few channels cost as many
    assert convolution("dot", 5, 4, 16, 9).dot == 8 * 4 * 16 * 9 / 16  # 4 pixels at a time
    pairs = convolution("pairs", 8, 24, 8, 1)
    assert pairs.multiply == 8 * 24 * 8 / 8
    assert pairs.vector == pytest.approx(8 * 8 * 2 + 2.62 * 8 * 8)  # SADALP: 24 channels are one and a half 16s
    assert convolution("pairs", 8, 1, 8, 1).multiply == convolution("pairs", 8, 8, 8, 1).multiply
    lanes = convolution("lanes", 8, 3, 16, 1)
    assert lanes.multiply == 8 * 3 * 16 / 4 and lanes.dot == 0  # input channels are not rounded up
    assert depthwise(10, 12, 9).multiply == 10 * 16 * 9 / 8


def test_the_busiest_unit_sets_the_cycles() -> None:
    core = Core("x", "board", 2.0, "dot", 1, 2, 2, 4, 0.5, 4.0, "", "")
    assert core.cycles(Instructions(multiply=100)) == 100
    assert core.cycles(Instructions(multiply=20, dot=100, vector=80)) == 100  # 200 in two pipes
    assert core.cycles(Instructions(memory=300)) == 150
    assert core.cycles(Instructions(vector=100, other=500)) == 150
    assert core.peak_gmac_s == 16 * 2 * 2.0
    overhead = OVERHEAD_CYCLES / 2e9
    assert core.seconds(Instructions(multiply=1e6), 1000) == pytest.approx(1e6 / 0.5 / 2e9 + overhead)
    assert core.seconds(Instructions(multiply=1), 8_000_000) == pytest.approx(2e-3 + overhead)
    assert at(core, 1.0).seconds(Instructions(multiply=1e6), 0) == pytest.approx(
        2 * core.seconds(Instructions(multiply=1e6), 0)
    )


def test_a_model_is_read_layer_by_layer() -> None:
    (layer,) = layers_of(Model(peak_model(integer=True)))
    assert (layer.kind, layer.pixels, layer.inputs, layer.outputs, layer.taps) == (
        "CONV_2D",
        SIDE**2,
        CHANNELS,
        CHANNELS,
        1,
    )
    assert layer.macs == MACS and layer.group == "1x1"
    assert layer.weight_bytes == CHANNELS**2 + 4 * CHANNELS and layer.activation_bytes == 2 * SIDE**2 * CHANNELS
    # by hand: 1024 pixels and 1024 channels fill every tile, so SDOT does 16 in an instruction and two in a cycle
    work = layer.instructions("dot")
    assert work is not None and work.dot == MACS / 16
    expected = (MACS / 16 + 1.57 * SIDE**2 * CHANNELS) / 2 / A76.sustained / 2.4e9 + OVERHEAD_CYCLES / 2.4e9
    assert predict_ms(A76, [layer]) == pytest.approx(expected * 1e3)


def test_a_pad_belongs_to_its_convolution_and_a_single_channel_is_depthwise() -> None:
    layers = layers_of(Model(SHIPPED.read_bytes()))
    padded = [layer for layer in layers if layer.kind == "PAD + DEPTHWISE_CONV_2D"]
    assert padded and {layer.group for layer in padded} == {"depthwise"}
    first = padded[0]  # 40x60x144 to 20x30x144: the padded tensor between is not moved
    assert first.activation_bytes == (40 * 60 + 20 * 30) * 144 and first.macs == 20 * 30 * 144 * 9
    single = Layer("CONV_2D", (1, 8, 8, 1), 64, 1, 1, 9, 576, 13, 128)
    assert single.instructions("pairs") == depthwise(64, 1, 9)
    assert {layer.group for layer in layers} >= {"few channels", "1x1", "dense 3x3", "add", "quantize"}


def test_what_was_never_counted_only_moves_its_bytes() -> None:
    unknown = Layer("SOFTMAX", (1, 1000), 1000, 1, 1, 1, 0, 0, 2000)
    assert unknown.instructions("dot") is None and layer_s(A76, unknown) == 2000 / (A76.gb_s * 1e9)


@pytest.mark.parametrize("name", BY_CPU)
@pytest.mark.parametrize("size", SHIPPED_SIZES)
def test_the_formulas_give_the_counted_instructions(size: str, name: str) -> None:
    model = shipped_model(size).read_bytes()
    (count,) = [count for count in read_counts().of(model) if count.cpu == name]
    core = BY_CPU[name]
    works = [work for layer in layers_of(Model(model)) if (work := layer.instructions(core.kernels)) is not None]
    total = sum((work for work in works[1:]), works[0])
    assert total.total == pytest.approx(count.total, rel=0.02)
    assert total.dot == pytest.approx(count.dot, rel=0.005)
    assert total.multiply == pytest.approx(count.multiply, rel=0.005)
    off = 0.02 if size == "edge-l" else 0.06  # of what is left of networks without depthwise convolutions
    assert total.vector == pytest.approx(count.vector + count.widen, rel=off)
    assert (count.dot > 0) == (core.kernels == "dot") and (count.widen > 0) == (core.kernels == "pairs")
    parts = (count.dot, count.multiply, count.widen, count.vector, count.memory, count.other)
    assert sum(parts) == pytest.approx(count.total, abs=6)


def test_the_formulas_give_the_counted_instructions_of_every_size() -> None:
    predicted = {model.model: {t.core: t.instructions for t in model.times} for model in read_predicted(SIZES).models}
    counts = read_counts().counts
    assert {count.model for count in counts} == set(predicted) and len(counts) == 3 * len(predicted) >= 30
    for count in counts:
        assert predicted[count.model][BY_CPU[count.cpu].key] == pytest.approx(count.total, rel=0.04), count


def test_known_networks_have_their_published_sizes() -> None:
    def gmac(layers: list[Layer]) -> float:
        return sum(layer.macs for layer in layers) / 1e9

    assert gmac(mobilenet_v1()) == pytest.approx(0.569, rel=0.01)  # arXiv 1704.04861, table 8
    assert gmac(mobilenet_v2()) == pytest.approx(0.300, rel=0.01)  # arXiv 1801.04381, table 4
    assert [round(sum(layer.weight_bytes for layer in build()) / 1e6, 1) for build in (mobilenet_v1, mobilenet_v2)] == [
        4.3,
        3.5,
    ]
    assert gmac(efficientdet_lite(0)) < gmac(efficientdet_lite(1)) < gmac(efficientdet_lite(2))
    assert {published.network for published in PUBLISHED} == set(NETWORKS)


@pytest.mark.parametrize("name", ["Cortex-A53", "Cortex-A72", "Cortex-A76"])
def test_predictions_are_within_the_stated_factor_of_what_others_measured(name: str) -> None:
    found, stated = checks(name), uncertainty(name)
    assert len(found) == stated.measurements >= 5
    assert all(1 / stated.factor <= check.ratio <= stated.factor for check in found)
    assert stated.factor <= 1.5 and 1 < stated.typical < 1.25
    assert f"within a factor of {stated.factor:.1f} of {stated.measurements} published" in stated.text
    # the constants that were fitted
    assert math.prod(check.ratio for check in found) ** (1 / len(found)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("names", [("Cortex-A53",), ("Cortex-A72", "Cortex-A76")])
def test_a_network_that_is_left_out_of_the_fit_is_predicted_within_1_6(names: tuple[str, ...]) -> None:
    found = [check for name in names for check in checks(name)]
    for network in {check.published.network for check in found}:
        rest = [check.ratio for check in found if check.published.network != network]
        fitted = math.prod(rest) ** (1 / len(rest))
        left_out = [check.ratio / fitted for check in found if check.published.network == network]
        assert all(1 / 1.6 < ratio < 1.6 for ratio in left_out), network
    assert "left out of the fit is predicted within a factor of 1.6" in " ".join(PAGE.read_text().split())


def test_what_was_converted_is_marked_and_every_row_has_a_source() -> None:
    assert all("/" in published.source and published.ms > 0 for published in PUBLISHED)
    assert {p.core.name for p in PUBLISHED if not p.is_converted} == {"Cortex-A72", "Cortex-A76"}
    assert "no direct one was found" in uncertainty("Cortex-A53").text
    ratios = sorted(
        [341.93 / 121.79, 571.67 / 179.08, 650.97 / 207.27, 168.15 / 57.36, 276.50 / 95.02, 337.53 / 112.04]
    )
    assert pytest.approx((ratios[2] + ratios[3]) / 2, abs=0.03) == FOUR_THREADS
    assert pytest.approx((546.90 / 372.26 + 857.87 / 601.72) / 2, abs=0.01) == OLD_KERNELS


def test_the_committed_prediction_is_what_the_code_predicts() -> None:
    committed = read_predicted(SIZES)
    assert to_json(committed) == json.loads(SIZES.read_text())
    paths = list(map(shipped_model, SHIPPED_SIZES))
    shipped = {model.model: model for model in committed.models}
    now = document([predict(Model(path.read_bytes()), path.name) for path in paths])
    assert now.models == tuple(shipped[path.name] for path in paths), (
        "python -m benchmarks predict FOLDER --out benchmarks/results/predict/sizes.json"
    )
    assert (now.cores, now.uncertainty) == (committed.cores, committed.uncertainty)


def test_the_page_says_what_the_results_say() -> None:
    page = PAGE.read_text()
    counts = {(count.model, count.cpu): count.total for count in read_counts().counts}
    for model in read_predicted(SIZES).models:
        ms = [
            f"~{time.predicted_ms:.0f}" if time.predicted_ms >= 10 else f"~{time.predicted_ms:.1f}"
            for time in model.times
        ]
        millions = [f"{counts[model.model, cpu] / 1e6:.0f}" for cpu in BY_CPU]
        cells = (
            f"{model.gmac:.2f}",
            f"{model.moved_mb:.1f}",
            str(sum(model.outside.values())),
            *ms,
            " / ".join(millions),
        )
        assert f"| {' | '.join(cells)} |" in page, model.model
    for name in dict.fromkeys(core.name for core in CORES):
        found = uncertainty(name)
        assert (
            f"| {name.removeprefix('Cortex-')} | {found.measurements} | {found.direct} | {found.factor:.1f} |" in page
        )
    for check in checks():
        p = check.published
        row = (
            p.network,
            p.core.key,
            f"{p.ms:g}{'*' if p.is_converted else ''}",
            f"{check.predicted_ms:.1f}",
            f"{check.ratio:.2f}",
        )
        assert f"| {' | '.join(row)} |" in page, row


def test_the_command_prints_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "predicted.json"
    assert main(["predict", str(SHIPPED), "--operators", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert MARK in printed and "0.292" in printed and "outside XNNPACK" in printed and "quantize (2)" in printed
    assert re.search(r"~ms A53 1\.4 GHz .*~ms A72 1\.5 GHz .*~ms A76 2\.4 GHz", printed)
    assert "depthwise_conv_2d" in printed and "counted: ai-edge-litert 2.1.0" in printed
    found = read_predicted(out)
    (model,) = found.models
    assert found.mark == MARK and table(found) in printed
    assert model.operators is not None and sum(o.macs for o in model.operators) / 1e9 == pytest.approx(model.gmac)
    times = {time.core: time for time in model.times}
    assert list(times) == ["A53 1.4 GHz", "A72 1.5 GHz", "A72 1.8 GHz", "A76 2.4 GHz"]
    for core, time in times.items():
        assert sum(o.predicted_ms[core] for o in model.operators) == pytest.approx(time.predicted_ms)
        assert time.low_ms < time.predicted_ms < time.high_ms
    with pytest.raises(UsageError, match="already exists"):
        main(["predict", str(SHIPPED), "--out", str(out)])


def test_the_published_measurements_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--published"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == len(PUBLISHED) + 2
    assert "halide/Halide" in printed and "google/XNNPACK" in printed and "* converted" in printed


def test_what_cannot_be_predicted_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name a "):
        main(["predict"])
    with pytest.raises(UsageError, match="neither a folder nor a"):
        main(["predict", str(tmp_path / "none.tflite")])
    (tmp_path / "float.tflite").write_bytes(peak_model(integer=False))
    with pytest.raises(UsageError, match="has no "):
        main(["predict", str(tmp_path)])
    with pytest.raises(ModelError, match="is not in full int8"):
        main(["predict", str(tmp_path / "float.tflite")])
    (tmp_path / "damaged.tflite").write_bytes(b"x" * 100)
    with pytest.raises(ModelError):
        main(["predict", str(tmp_path / "damaged.tflite")])
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(SIZES.read_text()) | {"mark": "measured"}))
    with pytest.raises(ModelError, match="'mark' is 'measured'"):
        read_predicted(other)


def test_a_model_that_was_not_counted_has_no_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "new.tflite").write_bytes(peak_model(integer=True))
    assert main(["predict", str(tmp_path)]) == 0
    assert "counted:" not in capsys.readouterr().out
    assert command.counted_table([("x", b"never counted")]) is None


def test_the_help_teaches(run: Run) -> None:
    done = run("benchmarks", "predict", "--help")
    said = " ".join(done.stdout.split())
    assert done.returncode == 0 and "Nothing is measured" in said and "predict edge_runtime/models" in said
    assert run("benchmarks", "predict", "none.tflite").returncode == 2
