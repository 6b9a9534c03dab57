"""Many trainings, on this computer and on a Ray cluster: what is killed, lost or asked for wrongly."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.search.trial import read_trial
from benchmarks.study.results import load_training
from benchmarks.trainings.jobs import Job, Places, run_jobs, shared
from edge_runtime.common.files import write_json
from edge_runtime.errors import FetalHeadError
from tests.helpers.nodes.ray_cluster import short_folder, two_nodes
from tests.helpers.nodes.sessions import end, gone, in_session
from tests.helpers.places import ROOT, Run
from train.data.hc18 import find_data

RUNS = ("decoder-all-paper-first-128", "encoder-only-paper-first-128")
EPOCHS = 6


def start(folder: Path, phantom: Path, *options: object) -> subprocess.Popen[str]:
    """Begin two toy trainings in a process of its own."""
    places = ("--runs", folder / "runs", "--results", folder / "results", "--data", phantom)
    call = ("study", *RUNS, *places, "--epochs", EPOCHS, "--limit", 12, *options)
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *map(str, call)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    latest = time.monotonic() + 240
    while not what():
        assert process.poll() is None and time.monotonic() < latest, process.communicate()[0]
        time.sleep(0.05)


def training(process: int) -> str | None:
    """The run that a process trains."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    return Path(words[words.index("--out") + 1]).name if "train" in words and "--out" in words else None


def is_midway(folder: Path, run: str) -> bool:
    return (folder / "runs" / run / run.split("-paper")[0] / "resume.pt").exists()


@pytest.fixture(scope="module", autouse=True)
def short_tmp() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.mark.slow
def test_a_lost_node_costs_an_epoch(short_tmp: Path, phantom: Path, tmp_path: Path) -> None:
    with two_nodes(short_tmp) as (address, second):
        stopped = start(tmp_path, phantom, "--address", address)
        wait_for(lambda: is_midway(tmp_path, RUNS[0]), stopped)
        stopped.send_signal(signal.SIGINT)
        said, _ = stopped.communicate(timeout=60)
        assert stopped.returncode == 130 and "failed" not in said and said.endswith("stopped\n"), said
        process = start(tmp_path, phantom, "--address", address)
        killed: list[int] = []

        def has_begun() -> bool:
            killed[:] = [number for number in in_session(second) if training(number)]
            return bool(killed)

        wait_for(has_begun, process)
        os.kill(killed[0], signal.SIGKILL)  # as when memory runs out: it is done again, too
        assert gone(set(killed))
        lost: list[str] = []

        def is_lost_midway() -> bool:
            lost[:] = [run for number in in_session(second) if (run := training(number)) and is_midway(tmp_path, run)]
            return bool(lost)

        wait_for(is_lost_midway, process)
        logs = {run: tmp_path / "runs" / run / "log.txt" for run in lost}
        before = {run: log.stat().st_size for run, log in logs.items()}
        end(second)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "2 of 2 trainings to do" in said and said.count(", done in ") == 2 and said.rstrip().endswith("0 left")
    for run in RUNS:
        assert len(load_training(tmp_path / "results" / f"{run}.json").history) == EPOCHS
    for run, log in logs.items():
        assert "resumed after epoch" in log.read_text()[before[run] :], f"{run} was lost: {log.read_text()}"


@pytest.mark.slow
def test_the_search_is_done_on_a_cluster_too(short_tmp: Path, run: Run, phantom: Path, tmp_path: Path) -> None:
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--data", phantom)
    with two_nodes(short_tmp) as (address, _):
        done = run("benchmarks", "pareto", "lean-16-96x144", *places, "--epochs", 1, "--address", address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_trial(tmp_path / "results" / "lean-16-96x144.json").losses or ()) == 1


@pytest.mark.parametrize("command", [("study", RUNS[0]), ("levers", "base"), ("cross", "edge-s")])
def test_work_can_be_sent_to_a_node(
    command: tuple[str, ...], phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Job] = []

    def keep(jobs: Sequence[Job], places: Places) -> bool:
        sent.extend(jobs)
        return True

    monkeypatch.setattr("benchmarks.trainings.arguments.run_jobs", keep)
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--data", phantom, "--epochs", 1)
    main([*command, *map(str, places)])
    assert sent and all(isinstance(pickle.loads(pickle.dumps(job.work)), partial) for job in sent)


@pytest.mark.slow
def test_a_killed_command_takes_its_trainings_along_and_the_same_call_goes_on(phantom: Path, tmp_path: Path) -> None:
    process = start(tmp_path, phantom)
    wait_for(lambda: is_midway(tmp_path, RUNS[0]), process)
    (child,) = [number for number in in_session(process.pid) if training(number)]
    process.kill()
    process.wait()
    assert gone({child}, seconds=10)
    terminated = start(tmp_path, phantom)
    wait_for(lambda: any(map(training, in_session(terminated.pid))), terminated)
    terminated.terminate()
    said, _ = terminated.communicate(timeout=60)
    assert terminated.returncode == 143 and "failed" not in said and said.count("started") == 1, said
    assert gone(set(in_session(terminated.pid)), seconds=10)
    again = start(tmp_path, phantom, "--jobs", 2)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0 and said.count(", done in ") == 2, said
    assert "resumed after epoch" in (tmp_path / "runs" / RUNS[0] / "log.txt").read_text()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--cores", 2), "--cores is for a cluster: give its --address too"),
        (("--gpus", 1), "--gpus is for a cluster"),
        (("--jobs", 4096), "it must be between 1 and the number of cores"),
        (("--address", "127.0.0.1:9"), "The cluster 127.0.0.1:9 cannot be reached"),
        (("--address", "127.0.0.1:9", "--gpus", 1), "The cluster 127.0.0.1:9 cannot be reached"),
        (("--runs", ROOT / "README.md"), "--runs"),
    ],
)
def test_what_cannot_be(run_here: Run, phantom: Path, tmp_path: Path, options: tuple[object, ...], reason: str) -> None:
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results", "--data", phantom)
    for command in (("study", RUNS[0]), ("pareto", "lean-16-96x144"), ("levers", "base"), ("cross", "edge-s")):
        done = run_here("benchmarks", *command, *places, "--epochs", 1, *options)
        assert done.returncode in (1, 2) and reason in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_fault_of_this_program_costs_its_job_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(name: str, cores: int) -> dict[str, Any]:
        if name == "wrong":
            raise ZeroDivisionError("oops")
        if name == "refused":
            raise FetalHeadError("no.")
        return {"name": name, "cores": cores}

    jobs = [Job(n, tmp_path / f"{n}.txt", partial(work, n), str) for n in ("wrong", "refused", "good", "good")]
    assert not run_jobs(jobs, Places(tmp_path / "results", 2, 1))
    said = capsys.readouterr().out
    assert (
        "3 of 3 trainings to do" in said
        and "wrong: failed by a fault of this program (ZeroDivisionError('oops'))" in said
    )
    assert "refused: failed: no; 1 left" in said and "2 of 3 trainings failed: wrong, refused" in said
    assert "Traceback" in (tmp_path / "wrong.txt").read_text() and said.count("good: started") == 1
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["good.json"]
    assert run_jobs(jobs[2:], Places(tmp_path / "results", 2, 1))


def test_a_result_of_other_settings_is_not_taken_for_this_calls(run_here: Run, phantom: Path, tmp_path: Path) -> None:
    results, title = tmp_path / "results", find_data(str(phantom)).title
    write_json(results / f"{RUNS[0]}.json", {"config": {"epochs": 3}, "data": {"title": title, "limit": 4}})
    write_json(results / "lean-16-96x144.json", {"config": {"epochs": 3}, "data": title})
    write_json(results / "edge-s-cross-1.json", {"config": {"epochs": 3}, "data": "HC18"})
    places = ("--runs", tmp_path / "runs", "--results", results, "--data", phantom)
    for command in (("study", RUNS[0], "--limit", 4), ("pareto", "lean-16-96x144"), ("cross", "edge-s")):
        for epochs in (1, None):
            done = run_here("benchmarks", *command, *places, *(["--epochs", epochs] if epochs else []))
            assert done.returncode == 2 and "is the result of another call: epochs 3 there, " in done.stderr
    done = run_here("benchmarks", "cross", "edge-s", *places, "--epochs", 3)
    assert done.returncode == 2 and f"data HC18 there, {title} in this call" in done.stderr
    done = run_here("benchmarks", "study", RUNS[0], *places, "--epochs", 3, "--limit", 5)
    assert done.returncode == 2 and "limit 4 there, 5 in this call" in done.stderr
    done = run_here("benchmarks", "study", RUNS[0], *places, "--epochs", 3, "--limit", 4)
    assert done.returncode == 0 and "0 of 1 training to do" in done.stdout
    (results / f"{RUNS[0]}.json").write_text("[")
    done = run_here("benchmarks", "study", RUNS[0], *places, "--epochs", 3)
    assert done.returncode == 2 and "is not a result file" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_node_that_does_not_see_the_runs_says_so(tmp_path: Path) -> None:
    job = Job("one", tmp_path / "runs" / "log.txt", int, str)
    work = shared(job)
    assert work(2) == 2
    (tmp_path / "runs" / "log.txt").unlink()
    with pytest.raises(FetalHeadError, match=r"does not see .*give a --runs that is the same folder on all nodes"):
        work(2)
