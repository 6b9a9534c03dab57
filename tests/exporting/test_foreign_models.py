"""Other people's .tflite files: whatever they hold, a report or one clear error; nothing takes the audit along."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.common.result_files import RESULTS
from benchmarks.roofline.operators import read_operators
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.shipped import DEFAULT_MODEL
from export.commands import audit as command
from export.tflite import timing
from export.tflite.apart import Apart
from export.tflite.audit import audit
from export.tflite.constants import constants
from export.tflite.model import Model
from export.tflite.output_range import local_frames
from export.tflite.report import Report, look, report_text
from export.tflite.schema import pack, parse
from tests.helpers import misbehaving
from tests.helpers.places import Run

FOREIGN = Path(__file__).parent / "foreign"
"""Small files of the kinds that are found elsewhere: computed shapes, open axes, IF, variables."""
NOISE = ("Traceback", "INFO:", "WARNING", "TensorFlow Lite XNNPACK delegate", "computation_placer")


def looked(name: str) -> Report:
    return look(FOREIGN / f"{name}.tflite", None, [])


def outside(report: Report) -> dict[str, Any]:
    assert report.delegation is not None
    return {of.kind: of for of in report.delegation.outside}


def converted(function: Callable[[Any], Any], change: Callable[[Any], None] = lambda converter: None) -> bytes:
    import tensorflow as tf

    wrapped = tf.function(function, input_signature=[tf.TensorSpec((1, 64), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([wrapped.get_concrete_function()])
    change(converter)
    return bytes(converter.convert())


@pytest.mark.parametrize("name", ["bool_select", "computed_index", "computed_reshape", "dynamic_audio"])
def test_operators_are_timed_on_what_they_take_in_the_models_own_run(name: str) -> None:
    report = looked(name)
    assert not report.missing
    assert outside(report) and all(of.share and not of.not_timed for of in outside(report).values())


def test_control_flow_and_variables_are_not_timed_and_say_why() -> None:
    branch = looked("if_subgraph")
    assert outside(branch)["IF"].not_timed == {"it runs other graphs of the file": 1}
    assert outside(branch)["IF"].share is None and outside(branch)["GREATER"].share
    assert "not timed    IF: it runs other graphs" in report_text(branch)
    assert branch.audit.operators["SUB"] == 1 and branch.audit.n_graphs == 3  # stands in a branch only
    with Apart((FOREIGN / "stateful.tflite").read_bytes()) as apart:
        model = Model((FOREIGN / "stateful.tflite").read_bytes())
        times = timing.time_groups(apart, model, [(operator,) for operator in model.operators], runs=2)
    reasons = {model.operators[place].kind: reason for place, reason in times.not_timed.items()}
    assert reasons == {
        "CALL_ONCE": "it runs other graphs of the file",
        **dict.fromkeys(("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"), "it reads or writes a variable"),
    }


def test_what_a_partition_writes_into_a_variable_is_inside_it() -> None:
    assert set(outside(looked("stateful"))) == {"CALL_ONCE"}


def test_one_command_reports_all_and_goes_on_after_a_bad_file(run: Run, tmp_path: Path) -> None:
    for path in FOREIGN.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    good = run("export", "audit", tmp_path, "--data", "phantom", "--json")
    assert good.returncode == 0, good.stderr
    document = json.loads(good.stdout)
    assert len(document["files"]) == len(list(FOREIGN.iterdir())) and not document["errors"]
    assert not any(word in good.stderr for word in NOISE)
    assert not any(file["missing"] for file in document["files"])
    data = (tmp_path / "bool_select.tflite").read_bytes()
    (tmp_path / "a_cut.tflite").write_bytes(data[: len(data) // 3])
    (tmp_path / "b_empty.tflite").write_bytes(b"")
    (tmp_path / "._bool_select.tflite").write_bytes(b"\0\5\26\7 of macOS")
    bad = run("export", "audit", tmp_path, "--data", "phantom", "--untimed", "--json")
    assert bad.returncode == 1
    document = json.loads(bad.stdout)
    assert len(document["files"]) == len(list(FOREIGN.iterdir()))
    assert {Path(path).name for path in document["errors"]} == {"a_cut.tflite", "b_empty.tflite"}
    assert not any(word in bad.stderr for word in NOISE)


def test_a_fault_of_the_audit_itself_costs_one_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(path: Path, *of: Any, **named: Any) -> Report:
        if path.stem == "if_subgraph":
            raise IndexError("a fault")
        return look(path, *of, **named)

    monkeypatch.setattr(command, "look", faulty)
    assert command.main([str(FOREIGN), "--data", "phantom", "--untimed"]) == 1
    said = capsys.readouterr().out
    assert "Please report this file" in said and "5 files, 0 with violations, 1 that cannot be read" in said


def test_weights_in_other_graphs_are_parameters() -> None:
    import tensorflow as tf

    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)

    def network(x: Any) -> Any:
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y @ weights)), [0, x])[1]

    model = Model(converted(network))
    found = audit(model, "float32")
    assert len(model.graphs) == 3 and not found.violations
    assert weights.size <= found.weights["float32"] < weights.size + 10
    assert any("weights are not int8" in violation for violation in audit(model, "dynamic_int8").violations)


def test_sparse_and_half_weights_are_counted_as_they_are_stored() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 512)).astype(np.float32)
    weights[rng.random(weights.shape) < 0.9] = 0

    def sparse_half(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY, tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    model = Model(converted(lambda x: tf.nn.relu(x @ weights), sparse_half))
    assert any(operator.kind == "DENSIFY" for operator in model.operators)
    found = audit(model, "float16")
    assert not found.violations and found.uncounted is None
    (weight,) = (constant for constant in constants(model) if constant.is_weight)
    assert weight.tensor.is_sparse and np.count_nonzero(weights) <= weight.n_values < weights.size / 2
    assert weight.n_values * 2 == weight.tensor.n_bytes


def test_texts_are_not_counted_and_it_says_so() -> None:
    parsed = parse(DEFAULT_MODEL.read_bytes())
    bias = next(t for t in parsed.subgraphs[0].tensors if t.type == 2 and len(t.shape) == 1)
    bias.type = 5  # STRING
    found = audit(Model(pack(parsed)), "dynamic_int8")
    assert found.uncounted and "string" in found.uncounted
    assert not any("bytes with" in violation for violation in found.violations)


def test_an_operator_litert_does_not_have_costs_what_needs_it_run(tmp_path: Path) -> None:
    parsed = parse((FOREIGN / "computed_index.tflite").read_bytes())
    code = parsed.operatorCodes[parsed.subgraphs[0].operators[-1].opcodeIndex] = copy.copy(parsed.operatorCodes[0])
    code.customCode, code.builtinCode, code.deprecatedBuiltinCode = b"Their\nOwn", 32, 32
    path = tmp_path / "custom.tflite"
    path.write_bytes(pack(parsed))
    report = look(path, "float32", [])
    assert report.delegation is None and "Their" in report.missing["XNNPACK"]
    assert report.audit.operators["Their?Own"] == 1 and not report.audit.violations
    assert command.main([str(path), "--data", "phantom"]) == 0


def test_a_crash_a_hang_and_too_much_memory_end_one_call_only() -> None:
    data = (FOREIGN / "bool_select.tflite").read_bytes()
    with Apart(data, limit_s=30) as apart:
        for function, said in (
            (misbehaving.crash, r"LiteRT crashed \(SIGSEGV\)"),
            (misbehaving.grab, "needs more than .* MB of memory"),
            (misbehaving.fail, "LiteRT says: node 3 failed to prepare"),
        ):
            with pytest.raises(ModelError, match=said):
                apart.call(function)
            assert apart.call(misbehaving.answer, 38) == 42
        with pytest.raises(ModelError, match=r"longer than 0\.5 s"):
            apart.call(misbehaving.hang, limit_s=0.5)
        assert apart.call(misbehaving.answer, 0) == 4


def test_an_operator_that_crashes_litert_costs_its_own_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "try_alone", misbehaving.crash_on_the_second)
    model = Model((FOREIGN / "bool_select.tflite").read_bytes())
    with Apart(model.data) as apart:
        times = timing.time_groups(apart, model, [(operator,) for operator in model.operators], runs=2)
    assert times.not_timed == {1: "LiteRT crashed (SIGSEGV)"}
    assert [spent is None for spent in times.alone_s] == [False, True, False, False]


def test_damage_is_found_before_an_interpreter_sees_it() -> None:
    for path in FOREIGN.iterdir():
        data = path.read_bytes()
        for end in range(len(data) - 3):
            with pytest.raises(ModelError):
                Model(data[:end])


def test_flipped_bits_lead_to_a_report_or_one_error(tmp_path: Path) -> None:
    rng = random.Random(0)
    files = [path.read_bytes() for path in sorted(FOREIGN.iterdir())]
    path, read = tmp_path / "flipped.tflite", 0
    for number in range(600):
        data = bytearray(files[number % len(files)])
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            if number % 25:
                audit(Model(bytes(data)), rng.choice(("float32", "float16", "full_int8", "mixed_int8")))
            else:  # takes a second each
                report_text(look(path, "full_int8", [np.zeros((40, 40), np.uint8)]))
            read += 1
        except ModelError as error:
            assert "\n" not in str(error)
    assert 100 < read < 500


def test_frames_are_never_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HC18_DIR", raising=False)
    frames, title = local_frames(None)
    assert len(frames) == 16 and "phantom" in title and not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="downloads nothing"):
        local_frames("download")


@pytest.mark.slow
def test_operators_of_foreign_files_are_timed_without_noise(run: Run, tmp_path: Path) -> None:
    for name, kind in (("if_subgraph", "IF"), ("stateful", "READ_VARIABLE"), ("dynamic_audio", None)):
        out = tmp_path / f"{name}.json"
        done = run("benchmarks", "operators", FOREIGN / f"{name}.tflite", "--runs", 2, "--out", out)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found = read_operators(out)
        assert {row.kind for row in found.operators if row.ms is None} >= ({kind} if kind else set())
        assert all((row.ms is None) == bool(row.not_timed) for row in found.operators)
        assert found.gmac > 0 and (kind is None or f"{kind.lower()}: it" in done.stdout)
    half = tmp_path / "half.tflite"
    half.write_bytes(DEFAULT_MODEL.read_bytes()[:100_000])
    done = run("benchmarks", "operators", half)
    assert done.returncode == 1 and "half.tflite: LiteRT cannot read the model" in done.stderr and not done.stdout


def test_committed_documents_are_read() -> None:
    paths = sorted((RESULTS / "speed").glob("operators-*.json"))
    assert paths
    for path in paths:
        found = read_operators(path)
        assert sum(row.ms or 0 for row in found.operators) == pytest.approx(found.alone_ms)
