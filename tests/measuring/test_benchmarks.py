"""The suite end to end on the phantom, with tiny artifacts: measure, report, compare."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.common.device import this_device
from benchmarks.common.render import Heading, Paragraph, Table, code, to_html, to_markdown
from benchmarks.common.result_files import RESULTS, free_name
from benchmarks.pages import figures
from benchmarks.pages.command import shipped_results
from benchmarks.suite.columns import title
from benchmarks.suite.document import load_document
from edge_runtime.artifact.manifest import load_manifest, write_manifest
from edge_runtime.common.files import write_json
from edge_runtime.common.record import to_json
from edge_runtime.device.fingerprint import fingerprint
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.timing.bench import STAGES
from tests.helpers.some_limits import make_limits
from tests.helpers.tiny_model import make_artifact

FAST = ("--frames", "3", "--warmup", "1", "--rounds", "2", "--split-part", "paper")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    make_artifact(folder / "tiny", "float32", of_phantoms=True)
    make_artifact(folder / "tiny", "full_int8", of_phantoms=True)
    return folder


@pytest.fixture(scope="module")
def result(artifacts: Path, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "result.json"
    assert measure(artifacts, phantom, out) == 0
    return out


def measure(artifacts: Path, data: Path, out: Path, *more: str) -> int:
    return main(["run", str(artifacts), "--data", str(data), "--out", str(out), *FAST, *more])


def changed(result: Path, out: Path, change: Any) -> Path:
    document = json.loads(result.read_text())
    change(document)
    out.write_text(json.dumps(document))
    return out


def test_a_result_says_what_was_measured_on_what(result: Path) -> None:
    document = load_document(result)
    conditions = document.conditions
    assert conditions.is_phantom and "phantom" in conditions.data
    assert (conditions.frames, conditions.rounds, conditions.threads) == (3, 2, 1)
    assert conditions.n_images == conditions.n_images_in_test_part == 4
    assert document.device.cores >= 1 and "numpy" in document.device.tools
    assert [r.artifact for r in document.results] == ["tiny-float32", "tiny-full_int8"]
    for r in document.results:
        assert r.error is None and r.rounds and len(r.rounds) == 2 and len(r.images) == 4
        assert r.latency_ms and set(vars(r.latency_ms)) == set(STAGES)
        assert 0 < r.time_to_first_result_ms < r.process_start_to_first_result_ms
        assert 10e6 < r.peak_memory_bytes < 500e6
        assert r.accuracy and 0.8 < r.accuracy.dice.mean < 1
        assert r.n_refused_on_device == r.accuracy.n_hc_refused, "a model without limits of its own"


def test_degradation_is_paired_with_float32(result: Path) -> None:
    float32, full_int8 = load_document(result).results
    assert float32.degradation is None and "float32" in (float32.degradation_reason or "")
    lost = full_int8.degradation
    pairs = list(zip(full_int8.images, float32.images, strict=True))
    dice = [100 * (a.dice - b.dice) for a, b in pairs]
    hc = [a.hc_difference_mm - b.hc_difference_mm for a, b in pairs if a.hc_difference_mm is not None]
    assert lost and lost.dice_difference_points.mean == pytest.approx(sum(dice) / len(dice))
    assert lost.hc_absolute_shift_mm.mean == pytest.approx(sum(map(abs, hc)) / len(hc))
    assert lost.dice_difference_points.n == 4 and lost.hc_shift_mm.ci95_low <= lost.hc_shift_mm.ci95_high


def test_without_float32_there_is_no_degradation_and_a_reason(artifacts: Path, phantom: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    assert measure(artifacts / "tiny" / "tiny-full_int8.tflite", phantom, out, "--images", "1") == 0
    (only,) = load_document(out).results
    assert only.degradation is None and "tiny-float32 is not among" in (only.degradation_reason or "")
    assert main(["report", str(out), "--out", str(tmp_path / "page"), "--artifacts", str(artifacts)]) == 0
    assert "Degradation by recipe: not measured" in (tmp_path / "page" / "report.md").read_text()


def test_a_result_holds_no_path_of_this_machine(result: Path, artifacts: Path, phantom: Path) -> None:
    text = result.read_text()
    for place in (artifacts, phantom, Path.home(), Path.cwd()):
        assert f'"{place}' not in text and f" {place}/" not in text


def test_run_imports_only_numpy_the_interpreter_and_pillow(artifacts: Path, phantom: Path, tmp_path: Path) -> None:
    arguments = ["run", str(artifacts), "--data", str(phantom), "--out", str(tmp_path / "r.json"), *FAST]
    code = (
        "import sys; from benchmarks.__main__ import main\n"
        f"assert main({arguments}) == 0\n"
        "places = {n.split('.')[0]: getattr(m, '__file__', None) or '' for n, m in list(sys.modules.items())}\n"
        "print('MODULES', *sorted(n for n, f in places.items() if 'site-packages' in f))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split("MODULES")[1].split())
    assert {"numpy", "PIL"} <= modules and modules & {"ai_edge_litert", "tflite_runtime"}
    heavy = {"torch", "torchvision", "matplotlib", "pooch", "requests", "tensorflow", "onnx", "scipy", "pandas", "cv2"}
    assert not modules & heavy, modules & heavy


def test_nothing_is_overwritten_unless_asked(result: Path, artifacts: Path, phantom: Path, tmp_path: Path) -> None:
    out = shutil.copy(result, tmp_path / "result.json")
    with pytest.raises(UsageError, match="--overwrite"):
        measure(artifacts, phantom, Path(out))
    assert Path(out).read_bytes() == result.read_bytes()


def test_a_place_that_cannot_be_written_is_refused_at_once(artifacts: Path, phantom: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "r.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be written"):
            measure(artifacts, phantom, out, "--overwrite")


def test_default_names_are_free_ones(tmp_path: Path) -> None:
    device = replace(this_device(), model="Raspberry Pi 5 Model B Rev 1.0", cpu=None, machine="aarch64")
    date = "2025-01-02T03:04:05+00:00"
    first = free_name(tmp_path, device, date, False)
    assert first.name == "raspberry-pi-5-model-b-rev-1-0-2025-01-02.json"
    first.touch()
    assert free_name(tmp_path, device, date, False).name == "raspberry-pi-5-model-b-rev-1-0-2025-01-02-2.json"
    assert free_name(tmp_path, device, date, True).name.endswith("02-phantom.json")
    assert free_name(tmp_path, replace(device, emulated=True), date, True).name.endswith("02-emulated-phantom.json")


@pytest.mark.parametrize("flag", ["--frames", "--rounds", "--images", "--threads"])
def test_numbers_out_of_range_are_a_wrong_call(
    flag: str, run: Any, artifacts: Path, phantom: Path, tmp_path: Path
) -> None:
    done = run("benchmarks", "run", artifacts, "--data", phantom, "--out", tmp_path / "r.json", flag, 0)
    assert done.returncode == 2 and "error:" in done.stderr and "Traceback" not in done.stderr


def test_unknown_and_empty_folders_are_a_wrong_call(phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder nor"):
        measure(tmp_path / "nowhere", phantom, tmp_path / "r.json")
    with pytest.raises(UsageError, match="holds no artifact"):
        measure(tmp_path, phantom, tmp_path / "r.json")


def test_two_artifacts_of_one_name_are_refused(artifacts: Path, phantom: Path, tmp_path: Path) -> None:
    shutil.copytree(artifacts, tmp_path / "both" / "one")
    shutil.copytree(artifacts, tmp_path / "both" / "two")
    with pytest.raises(UsageError, match="both called tiny-float32"):
        measure(tmp_path / "both", phantom, tmp_path / "r.json")


def test_a_damaged_artifact_is_reported_and_the_others_measured(
    artifacts: Path, phantom: Path, tmp_path: Path, run: Any
) -> None:
    folder = tmp_path / "artifacts"
    shutil.copytree(artifacts, folder)
    model = folder / "tiny" / "tiny-full_int8.tflite"
    data = bytearray(model.read_bytes())
    data[100] ^= 255
    model.write_bytes(data)
    (folder / "tiny" / "broken-float16.tflite").write_bytes(b"TFL3")
    (folder / "tiny" / "broken-float16.json").write_text("{")
    out = tmp_path / "r.json"
    done = run("benchmarks", "run", folder, "--data", phantom, "--out", out, *FAST)
    assert done.returncode == 1 and "2 of 3 failed" in done.stdout and "Traceback" not in done.stdout + done.stderr
    good, damaged, broken = load_document(out).results
    assert good.error is None and good.accuracy and good.accuracy.n_images == 4
    assert "sha256" in (damaged.error or "") and damaged.latency_ms is None and damaged.accuracy is None
    assert "not a usable manifest" in (broken.error or "") and str(tmp_path) not in out.read_text()
    assert main(["report", str(out), "--out", str(tmp_path / "page"), "--data", str(phantom)]) == 0
    text = (tmp_path / "page" / "report.md").read_text()
    assert "Could not be measured" in text and "not measured" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON document"),
        ("[1, 2]", "schema version None"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "is the result of another command"),
        ('{"schema_version": NaN}', "NaN is not a number that JSON allows"),
        ("[" * 100_000, "not a JSON document"),
    ],
)
def test_damaged_results_are_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    for command in (["report", str(path), "--out", str(tmp_path)], ["compare", str(path), str(path)]):
        with pytest.raises(ModelError, match=message):
            main(command)


def test_a_field_of_another_type_is_named(result: Path, tmp_path: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["results"][1]["latency_ms"]["total"]["p50"] = "fast"

    with pytest.raises(ModelError, match=re.escape("results[1].latency_ms.total.p50' is 'fast'")):
        load_document(changed(result, tmp_path / "r.json", spoil))


def test_compare_tells_cpus_of_one_name_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = load_document(shipped_results(RESULTS)[0])
    for name, instructions in (("a", ("avx2",)), ("b", ("avx2", "avx512_vnni"))):
        changed = replace(document, device=replace(document.device, int8_instructions=instructions))
        write_json(tmp_path / name, to_json(changed))
    main(["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert "warning: int8_instructions differs (avx2 in A, avx2, avx512_vnni in B)" in capsys.readouterr().out


def test_a_missing_result_is_a_wrong_call(run: Any, tmp_path: Path) -> None:
    done = run("benchmarks", "compare", tmp_path / "a.json", tmp_path / "b.json")
    assert done.returncode == 2 and "There is no result file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("path", [*RESULTS.glob("*.json"), *RESULTS.glob("latency/*.json")], ids=lambda p: p.name)
def test_committed_results_are_read_and_written_again_unchanged(path: Path) -> None:
    assert json.loads(json.dumps(to_json(load_document(path)))) == json.loads(path.read_text())


def test_the_device_of_a_result_has_all_of_the_fingerprint() -> None:
    assert set(to_json(this_device())) == set(fingerprint())


def test_what_a_device_refuses_is_counted_by_the_models_own_limits(
    artifacts: Path, phantom: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(artifacts / "tiny" / "tiny-full_int8.tflite", tmp_path))
    limits = make_limits(bounds={"core": (1e6, None)})  # no image is good enough
    manifest = load_manifest(artifacts / "tiny" / model.name)
    write_manifest(model, replace(manifest, quality={"limits": limits.to_json()}))
    assert measure(model, phantom, tmp_path / "r.json") == 0
    (only,) = load_document(tmp_path / "r.json").results
    assert only.accuracy and only.accuracy.n_hc_refused < 4 == only.n_refused_on_device
    table = figures.section([load_document(tmp_path / "r.json")])
    assert "| refused |" in table and "or by the model's own" in table


def test_a_table_without_the_devices_count_says_by_which_rule_it_counts() -> None:
    document = load_document(shipped_results(RESULTS)[0])
    older = replace(document, results=tuple(replace(r, n_refused_on_device=None) for r in document.results))
    table = figures.section([older])
    assert "| refused by the general limits |" in table and "| refused |" not in table


def test_names_are_code_spans_and_all_else_is_escaped() -> None:
    blocks = [
        Heading("`a_b` c_d"),
        Paragraph("Call `x --y <z>`, not *z*."),
        Table((code("p|q"), "r_s"), [("a|b", "`")]),
    ]
    markdown, page = to_markdown(blocks), to_html("t", blocks).split("<body>")[1]
    assert "## `a_b` c\\_d" in markdown and "Call `x --y <z>`, not \\*z\\*." in markdown
    assert "| `p\\|q` | r\\_s |" in markdown and "| a\\|b | \\` |" in markdown
    assert "<code>a_b</code> c_d" in page and "<code>x --y &lt;z&gt;</code>" in page and "<code>p|q</code>" in page


def test_every_table_of_the_suite_names_its_machine_from_the_document() -> None:
    document = load_document(shipped_results(RESULTS)[0])
    other = replace(document, device=replace(document.device, cpu="Cortex-A76", machine="aarch64", cores=4))
    for text in (figures.section([other]), figures.shipped_table([other])):
        tables = text.count("| ---: |\n")
        assert tables == text.count("Cortex-A76") == text.count("`aarch64`, 4 cores") > 0
        assert "virtual" not in text and "Raspberry" not in text


def test_the_shipped_model_is_told_apart_from_another_of_its_name() -> None:
    shipped, *_ = load_document(shipped_results(RESULTS)[0]).results
    assert title(shipped) == f"{shipped.artifact}, shipped"
    assert title(replace(shipped, checkpoint_sha256="0" * 64)) == shipped.artifact


def test_results_without_the_shipped_model_cannot_fill_its_table(result: Path) -> None:
    with pytest.raises(UsageError, match="No result file has a shipped model"):
        figures.shipped_table([load_document(result)])
