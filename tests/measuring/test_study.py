"""The study: its runs, its driver, and the page made from their results."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.common.render import Figure, Heading, Paragraph, Table, markdown_files, to_html, to_markdown
from benchmarks.common.scores import Summary
from benchmarks.common.tables import NOT_MEASURED
from benchmarks.pages import results_page
from benchmarks.pages.command import RESULTS_JSON, RESULTS_PAGE
from benchmarks.pages.int8_accuracy import by_the_notebooks
from benchmarks.pages.results import leak_free, scores
from benchmarks.pages.results.device import which_for_a_device
from benchmarks.pages.results.paper import set_sizes
from benchmarks.pages.results.scores import shipped_epochs
from benchmarks.pages.results.speed import training_speed
from benchmarks.pictures import strategy_overlays
from benchmarks.search.sizes import MEASURED, load_sizes
from benchmarks.study import findings
from benchmarks.study.quantized import Networks, load_latencies, rows
from benchmarks.study.results import TRAINING, Pooled, TrainingResult, load_all, load_training
from benchmarks.study.runs import RUNS, STUDY, get_run
from benchmarks.study.training_memory import measure_memory
from benchmarks.study.training_speed import SPEEDS, load_speeds
from benchmarks.suite.document import Conditions, Result, SuiteDocument, load_document
from edge_runtime.common.record import from_json, to_json
from edge_runtime.errors import ModelError, UsageError
from edge_runtime.timing.bench import Percentiles, StageLatencies
from tests.helpers.places import ROOT
from tests.helpers.tiny_model import make_artifact
from tests.helpers.training_results import DEVICE, make_all, make_result
from train.__main__ import build_parser
from train.config import PROTOCOLS, TrainConfig
from train.data.hc18 import read_dataset
from train.data.splits import make_split
from train.strategies import STRATEGIES

SMALL = "decoder-all-paper-first-128"


def study(phantom: Path, folder: Path, *more: str) -> int:
    places = ["--runs", str(folder / "runs"), "--results", str(folder / "results")]
    return main(["study", SMALL, "--data", str(phantom), *places, "--epochs", "1", "--limit", "3", *more])


def test_the_study_holds_every_row_of_the_table_and_every_commands_arguments_exist() -> None:
    paper = {run.strategy for run in STUDY.values() if run.protocol == "paper-first"}
    assert paper == {name for name in STRATEGIES if not name.startswith("edge")}
    for name, run in STUDY.items():
        python, _, module, *arguments = shlex.split(run.command)
        assert (python, module, run.name) == ("python", "train", name)
        args = build_parser().parse_args(arguments)
        assert (args.strategy, args.protocol, tuple(args.image_size)) == (run.strategy, run.protocol, run.image_size)
        assert (args.train_images, args.seed or 0, args.out) == (run.train_images, run.seed, Path("runs") / name)


def test_an_unknown_run_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="decoder-all-paper-first-512"):
        get_run("decoder-all-paper-first-64")


def test_the_driver_writes_a_result_once(phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(phantom, tmp_path) == 0
    path = tmp_path / "results" / f"{SMALL}.json"
    result = load_training(path)
    assert result.run.name == result.name == SMALL and result.config.epochs == 1 and result.exports is None
    assert len(result.history) == 1 and len(result.per_image) == 3
    dataset = read_dataset(phantom)
    exams = {dataset.samples[name].exam for name in make_split(dataset, "paper").train[:3]}
    for score in result.per_image:
        sample = dataset.samples[score.image]
        assert (score.reference_hc_mm, score.exam_trained_on) == (sample.hc_mm, sample.exam in exams)
    assert str(tmp_path) not in path.read_text() and str(phantom) not in path.read_text()
    written = path.stat().st_mtime_ns
    assert study(phantom, tmp_path) == 0
    assert "0 of 1 training to do" in capsys.readouterr().out and path.stat().st_mtime_ns == written
    path.unlink()  # the checkpoint is complete: the result is made from it, nothing is trained again
    assert study(phantom, tmp_path) == 0 and load_training(path).history == result.history
    assert "nothing to resume" in (tmp_path / "runs" / SMALL / "log.txt").read_text()


def test_a_run_that_fails_is_reported_and_leaves_no_result(
    phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / SMALL).mkdir(parents=True)
    (tmp_path / "runs" / SMALL / "decoder-all").write_text("a file where a folder belongs")
    assert study(phantom, tmp_path) == 1
    assert f"{SMALL}: failed" in capsys.readouterr().out and not (tmp_path / "results").exists()


def test_shortened_runs_stay_away_from_the_committed_results(phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give another --results"):
        main(["study", SMALL, "--data", str(phantom), "--runs", str(tmp_path)])


def test_list_tells_what_is_open(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / f"{SMALL}.json").write_text("{}")
    assert main(["study", "--list", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(RUNS) and [line for line in lines if line.startswith("done")] == [
        line for line in lines if f"runs/{SMALL}" == line.split()[-1]
    ]


def test_a_result_that_lacks_a_field_is_named(tmp_path: Path) -> None:
    document = to_json(make_result(STUDY[SMALL]))
    del document["metrics"]["paper"]["dice"]
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"paper\.dice"):
        load_training(tmp_path / "a.json")
    del document["metrics"]["paper"]
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="no scores on the split 'paper'"):
        load_training(tmp_path / "a.json")


def test_the_page_shows_the_results_and_names_what_is_missing() -> None:
    documents = make_all()
    del documents["full-paper-first"], documents["unet-scratch-paper-first-128"]
    blocks = results_page.build(documents)
    warnings = [block.text for block in blocks if isinstance(block, Paragraph) and block.warning]
    assert len(warnings) == 1 and "2 of" in warnings[0]
    assert "full-paper-first" in warnings[0] and "unet-scratch-paper-first-128" in warnings[0]
    titles = [block.text for block in blocks if isinstance(block, Heading)]
    assert "The plain U-Net" not in titles and "Quantized" in titles
    text = " ".join(cell for block in blocks if isinstance(block, Table) for row in block.rows for cell in row)
    dice = 100 * documents["decoder-all-paper-first"].scores.dice.mean
    assert f"{dice:.2f}" in text and "97.77 / 96.28 / 92.87" in text
    assert (
        "--strategy edge --protocol leak-free --image-size 160 240 --encoder-weights imagenet-tonylins --seed 2" in text
    )
    assert "96.28" in results_page.overview(documents) and "http" not in to_html("x", blocks).split("<body>")[0]


def test_the_papers_figures_are_reached_where_none_of_the_three_is_below_them() -> None:
    documents = make_all()
    run = documents["decoder-all-paper-first-512"]
    for accuracy, verdict in ((0.98, "is met"), (0.97, "is missed")):
        metrics = replace(run.metrics, paper_pooled=Pooled(accuracy, 0.964, 0.93, 0.964))
        documents["decoder-all-paper-first-512"] = replace(run, metrics=metrics)
        said = [b.text for b in results_page.build(documents) if isinstance(b, Paragraph) and "own 512x512" in b.text]
        assert len(said) == 1 and verdict in said[0] and "/ 96.40 / 93.00, the paper 97.77 / 96.28 / 92.87" in said[0]


def test_without_any_result_the_page_says_so() -> None:
    blocks = results_page.build({})
    assert any(
        isinstance(block, Paragraph) and block.warning and block.text.startswith("Not trained yet") for block in blocks
    )


def test_overlays_of_the_study_show_only_what_was_measured_and_stay_local(hc18: Path, tmp_path: Path) -> None:
    model = make_artifact(tmp_path / SMALL / "artifacts" / "tiny", "float32")
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    run = make_result(STUDY["decoder-all-paper-first"])
    assert run.exports
    documents = {SMALL: replace(run, exports=(replace(run.exports[0], model_sha256=sha256),))}
    blocks = strategy_overlays.section(tmp_path, str(hc18), documents)
    pictures = [block for block in blocks if isinstance(block, Figure)]
    assert len(pictures) == 6
    for picture in pictures:
        values = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)
        grey = (np.ptp(values, axis=2) == 0) & (values[..., 0] < 128)
        orange = (values[..., 0] > 180) & (values[..., 2] < 80)
        assert grey.mean() > 0.1 and orange.any(), "the frame and the reference ellipse"
    assert any(isinstance(block, Paragraph) and block.warning and "do not publish" in block.text for block in blocks)
    documents[SMALL] = run
    assert "holds no artifact that was measured" in strategy_overlays.section(tmp_path, str(hc18), documents)[1].text


def run_with(dice: dict[str, float], run: str) -> TrainingResult:
    result = make_result(STUDY[run])
    some = result.per_image[0]
    return replace(result, per_image=tuple(replace(some, image=name, dice=v) for name, v in dice.items()))


@pytest.mark.parametrize(("shift", "verdict"), [(0.01, "confirmed"), (-0.01, "refuted"), (0.0, "not decided")])
def test_a_claim_is_decided_by_the_paired_interval(shift: float, verdict: str) -> None:
    base = {f"{i}.png": 0.95 + 0.001 * (i % 3) for i in range(30)}
    other = {name: v + (0.0002 if i % 2 else -0.0002) for i, (name, v) in enumerate(base.items())}
    documents = {
        "decoder-all-paper-first": run_with({name: v + shift for name, v in base.items()}, "decoder-all-paper-first"),
        "decoder-0-paper-first": run_with(other, "decoder-0-paper-first"),
    }
    best = next(f for f in findings.claims(documents) if f.claim.startswith("`decoder-all` is the best"))
    assert best.verdict == verdict and f"{100 * shift:+.2f}".replace("+0.00", "0.00") in best.evidence


def test_no_loss_is_a_margin_and_missing_runs_are_not_measured() -> None:
    base = {f"{i}.png": 0.95 for i in range(30)}
    documents = {
        "decoder-all-paper-first": run_with({name: v - 0.0005 for name, v in base.items()}, "decoder-all-paper-first"),
        "full-paper-first": run_with(base, "full-paper-first"),
    }
    by_claim = {f.claim: f for f in findings.claims(documents)}
    assert next(f for c, f in by_claim.items() if "loses nothing against training" in c).verdict == "confirmed"
    assert next(f for c, f in by_claim.items() if "85.8%" in c).verdict == NOT_MEASURED


def test_a_loss_that_may_be_none_is_not_refuted() -> None:
    assert findings.verdict(Summary(9, -0.2, ci95_low=-0.35, ci95_high=-0.05), margin=0.1) == "not decided"
    assert findings.verdict(Summary(9, -0.2, ci95_low=-0.35, ci95_high=-0.15), margin=0.1) == "refuted"
    assert findings.verdict(Summary(9, -0.2, ci95_low=-0.35, ci95_high=-0.05)) == "refuted"


def test_an_order_that_no_interval_decides_is_not_confirmed() -> None:
    names = "decoder-all-paper-first", "encoder-only-paper-first", "decoder-0-2-paper-first"
    rng = np.random.default_rng(0)
    alike = {name: run_with({f"{i}.png": float(rng.uniform(0.9, 1)) for i in range(30)}, name) for name in names}
    order = next(f for f in findings.claims(alike) if f.claim.startswith("the order"))
    assert order.verdict == "not decided" and order.evidence.startswith("0 of the 3 pairs")
    apart = {
        name: run_with({f"{i}.png": dice for i in range(30)}, name)
        for name, dice in zip(names, (0.97, 0.96, 0.95), strict=True)
    }
    assert next(f for f in findings.claims(apart) if f.claim.startswith("the order")).verdict == "confirmed"


def test_what_computed_otherwise_is_compared_with_a_remark() -> None:
    base = {f"{i}.png": 0.95 for i in range(30)}
    ours, full = (run_with(base, name) for name in ("decoder-all-paper-first", "full-paper-first"))
    full = replace(full, config=replace(full.config, precision="bfloat16"))
    found = findings.claims({"decoder-all-paper-first": ours, "full-paper-first": full})
    assert any(f.evidence.endswith("over 30 images (float32 against bfloat16)") for f in found)


def test_the_papers_figure_of_all_images_stands_at_all_images_alone() -> None:
    runs = [make_result(run) for run in STUDY.values() if run.train_images]
    assert "| `decoder-all` | 399 | 95.15 |" in to_markdown(set_sizes({run.name: run for run in runs}))
    whole = make_result(STUDY["decoder-all-paper-first-128"])
    page = to_markdown(set_sizes({run.name: run for run in (*runs, whole)}))
    assert "| `decoder-all` | 799 | 96.28 |" in page


def test_times_of_two_runs_make_no_ratio() -> None:
    documents = make_all()
    unit = latency_of("decoder-all-full_int8", documents["decoder-all-paper-first"].checkpoint_sha256)
    edge = latency_of("edge-full_int8", documents["edge-leak-free-160x240"].checkpoint_sha256)
    edge = replace(edge, results=(replace(edge.results[0], strategy="edge", input_size=(160, 240)),))
    together = replace(unit, results=(*unit.results, *edge.results))
    other = replace(edge, conditions=replace(edge.conditions, date="2026-11-24T00:00:00+00:00"))
    shipped, sizes = load_document(MEASURED), load_sizes()
    for latencies, faster in ([together], "1.0"), ([unit, other], "-"):
        (page,) = (b for b in which_for_a_device(documents, latencies, shipped, sizes) if isinstance(b, Table))
        row = next(row for row in page.rows if row[0] == "`edge`")
        assert faster in row[3:-4], row


def test_flaws_are_the_differences_they_are_named_for() -> None:
    run = make_result(STUDY["decoder-all-paper-first"])
    assert run.metrics.paper
    pooled_metrics = replace(run.metrics.paper_pooled, paper_dice=0.97, paper_dice_per_image=0.96)
    own = replace(run.metrics.paper, dice=replace(run.metrics.paper.dice, mean=0.955))
    images = tuple(replace(score, dice=0.96 if score.exam_trained_on else 0.95) for score in run.per_image)
    run = replace(run, metrics=replace(run.metrics, paper_pooled=pooled_metrics, paper=own), per_image=images)
    pooled, reference, split = findings.flaws({"decoder-all-paper-first": run})
    assert [row[2][:5] for row in (pooled, reference, split)] == ["+1.00", "+0.50", "+1.00"]
    assert findings.flaws({}) == []


def test_the_committed_page_is_made_from_the_committed_results() -> None:
    runs = load_all()
    assert runs, "no training results are committed"
    page = ROOT / RESULTS_PAGE
    shipped, sizes = load_document(MEASURED), load_sizes()
    blocks = results_page.build(runs, load_latencies(), load_speeds(), shipped, sizes, by_the_notebooks())
    files = markdown_files(blocks, page)
    assert files[page].decode() == page.read_text(), "call python -m benchmarks pages"
    assert all(path.exists() for path in files)
    written = from_json(Networks, json.loads((ROOT / RESULTS_JSON).read_text()), RESULTS_JSON)
    assert written == Networks(tuple(rows(runs, load_latencies())))


def latency_of(artifact: str, checkpoint_sha256: str) -> SuiteDocument:
    """A latency run over one artifact of the paper's network."""
    times = StageLatencies(*[Percentiles(21.5, 22.0, 25.0, 21.0, 21.5, 0.1)] * 4)
    measured = Result(
        artifact, "decoder-all", "full_int8", None, checkpoint_sha256, None, None, times, None, (), None, None,
        input_size=(256, 256),
    )  # fmt: skip
    conditions = Conditions(
        "2026-11-23T00:00:00+00:00", None, {}, 1, 50, 5, 2, (), None, "HC18", False, "paper", "", 0, 0, "",
    )  # fmt: skip
    return SuiteDocument(1, replace(DEVICE, cpu="a CPU", int8_instructions=("asimddp",)), conditions, (measured,))


def test_a_row_a_network_and_recipe_with_its_latency_or_that_of_the_same_graph() -> None:
    documents = make_all()
    full = documents["full-paper-first"]
    assert full.exports
    refused = replace(full.exports[3], refused="full-full_int8 does not compute what torch does")
    documents["full-paper-first"] = replace(full, exports=(*full.exports[:3], refused))
    latency = latency_of("decoder-all-full_int8", documents["decoder-all-paper-first"].checkpoint_sha256)
    found = {(row.run, row.recipe): row for row in rows(documents, [latency])}
    assert len(found) == 4 * sum(run.exported for run in STUDY.values())
    own, same = found["decoder-all-paper-first", "full_int8"], found["full-paper-first", "full_int8"]
    assert own.latency_ms and same.latency_ms and own.latency_ms.p50 == same.latency_ms.p50 == 21.5
    assert same.latency_ms.measured_on == "decoder-all-full_int8" and same.refused and not own.refused
    other = (
        ("full-paper-first", "float32"),
        ("full-leak-free-160x240", "full_int8"),
        ("edge-leak-free-160x240", "full_int8"),
    )
    assert all(found[key].latency_ms is None for key in other)
    assert own.against_float32.dice == pytest.approx(-0.2)
    text = str(results_page.build(documents, [latency]))
    assert (
        "'~21.5'" in text
        and "'21.5'" in text
        and "'`full_int8` *'" in text
        and "a CPU (int8 instructions: `asimddp`), with 1 thread, measured on 2026-11-23" in text
    )


def test_the_page_says_how_fast_the_loop_is_and_whether_that_is_the_goal() -> None:
    speed, *_ = load_speeds()
    text = str(training_speed([speed]))
    assert "times as fast as the plain loop: goal met." in text
    slow = next(result for result in speed.results if result.variant == "ours")
    results = tuple(replace(result, times_plain=2.5) if result is slow else result for result in speed.results)
    text = str(training_speed([replace(speed, results=results)]))
    assert "2.50 to" in text and "goal missed" in text and "(2.50)" in text
    assert training_speed([]) == []


def test_the_memory_of_a_training_is_that_of_its_own_process(phantom: Path) -> None:
    samples = list(read_dataset(phantom).samples.values())[:2]
    memory = measure_memory("encoder-only", samples)
    assert [one.variant for one in memory] == ["plain", "ours"]
    assert all(one.n_images == 2 and 1e8 < one.start_bytes < one.peak_bytes < 4e9 for one in memory)
    speed, *_ = load_speeds()
    text = str(training_speed([replace(speed, memory=tuple(memory))]))
    assert f"'{memory[1].peak_bytes / 1e6:.0f}'" in text and "Peak memory of a process that trains" in text


def test_committed_results_are_those_of_the_study_on_hc18() -> None:
    for name, document in load_all().items():
        assert document.study_run == RUNS[name]
        assert document.data.title == "HC18" and document.data.limit is None
        assert document.config.epochs == {"paper": 20, "paper-first": 20, "leak-free": 30}[document.study_run.protocol]
        assert document.git_commit and not document.git_commit.endswith("-dirty"), f"{name}: uncommitted code"


@pytest.mark.parametrize("path", [*TRAINING.glob("*.json"), *SPEEDS.glob("*.json")], ids=lambda p: p.stem)
def test_committed_results_are_read_and_written_again_unchanged(path: Path) -> None:
    written = json.loads(path.read_text())
    if path.parent == TRAINING:
        assert json.loads(json.dumps(to_json(load_training(path)))) == written
    else:
        (speed,) = (speed for speed in load_speeds() if speed.conditions.date == written["conditions"]["date"])
        assert json.loads(json.dumps(to_json(speed))) == written


def test_what_was_called_honest_is_called_leak_free() -> None:
    args = build_parser().parse_args(["--strategy", "edge", "--protocol", "honest"])
    assert args.protocol == "leak-free"
    assert build_parser().parse_args(["--strategy", "edge"]).protocol == "any-scanner"
    assert get_run("edge-honest-160x240-seed1") is STUDY["edge-leak-free-160x240-seed1"]
    old = TrainConfig((160, 240), **PROTOCOLS["leak-free"]).to_json() | {"protocol": "honest"}
    assert TrainConfig.from_json(old).protocol == "leak-free"
    for page in (ROOT / RESULTS_PAGE, ROOT / RESULTS_JSON, ROOT / "README.md", ROOT / "MODEL_CARD.md"):
        assert "honest" not in page.read_text()


def test_every_table_names_its_machine_and_the_shipped_network_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = replace(scores.shipped_manifest(), strategy="edge")
    for module in (scores, leak_free):
        monkeypatch.setattr(module, "shipped_manifest", lambda: shipped)
    documents = {
        name: replace(run, machine=replace(DEVICE, cpu="Cortex-A76", machine="aarch64"))
        for name, run in make_all().items()
    }
    blocks = results_page.build(documents)
    tables = [i for i, block in enumerate(blocks) if isinstance(block, Table)][1:]  # the first is of settings
    for i in tables:
        heading = max(k for k in range(i) if isinstance(blocks[k], Heading))
        said = str(blocks[heading : i + 1])
        assert "Cortex-A76" in said, blocks[heading]
    for block in blocks:
        cells = [cell for row in block.rows for cell in row] if isinstance(block, Table) else []
        assert all("(30 epochs)" in cell for cell in cells if cell.startswith("`edge") and "runs/" not in cell)
    assert f"The shipped `edge` is another run of the same strategy, over {shipped_epochs()} epochs" in str(blocks)
    assert "`edge` (30 epochs)" in results_page.overview(documents)
    monkeypatch.undo()
    assert "The shipped" not in str(results_page.build(documents)), "its strategy is not in the study"
