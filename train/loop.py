"""From data to a checkpoint: the same for every strategy, seeded, and able to go on after an interruption."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from edge_runtime.common.cli import counted, say
from edge_runtime.common.files import remove_temporary
from edge_runtime.common.lock import locked
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.common.record import from_json
from edge_runtime.errors import UsageError
from edge_runtime.frame.preprocess import Prepared, prepare
from edge_runtime.metrics import scores_to_json, summarize
from train.checkpoint import INFO, NEW, WEIGHTS, Checkpoint, load_checkpoint, save_checkpoint, stored_dtype
from train.config import TrainConfig
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, cache, hash_samples
from train.data.others import Other, count_kinds, first_of_kinds, hash_others
from train.data.pseudo_labels import PseudoSample, check_unseen, hash_pseudo_labels, learn_from, refuse_seen
from train.data.score import evaluate, evaluate_paper
from train.data.splits import Split, draw, make_split
from train.device import keep_memory
from train.divergence import find_not_finite
from train.frames.pool import Pool, make_pool
from train.networks.model import count_trainable
from train.progress import Progress
from train.run import Run
from train.start import Start
from train.state import STATE, DataRecord, Epoch, Identity, write_failed
from train.strategies import Strategy
from train.team import ALONE, Team

TOOLS = ("torch", "torchvision", "segmentation-models-pytorch", "numpy", "safetensors", "pillow")


def check_folder(folder: Path, name: str, may_hold_a_run: bool) -> None:
    """Refuse a folder that a run may not write, before any work is done.

    Args:
        folder: The checkpoint's folder.
        name: Name of the strategy.
        may_hold_a_run: The run goes on with what the folder holds, or replaces it.

    Raises:
        UsageError: The folder cannot be written, another run is writing it, or it holds a run.
    """
    with locked(folder):
        _check_free(folder, name, may_hold_a_run)


def _check_free(folder: Path, name: str, may_hold_a_run: bool) -> None:
    if not may_hold_a_run and any((folder / file).exists() for file in (INFO, STATE)):
        raise UsageError(f"{folder} already holds a run of {name}. Add --resume to go on, --overwrite to start anew.")


def train(
    strategy: Strategy,
    config: TrainConfig,
    dataset: Dataset,
    folder: Path,
    *,
    device: torch.device,
    resume: bool = False,
    overwrite: bool = False,
    limit: int | None = None,
    others: Sequence[Other] = (),
    pseudo: Sequence[PseudoSample] = (),
    start: Start | None = None,
    team: Team = ALONE,
) -> None:
    """Train one strategy and write its checkpoint.

    Args:
        strategy: What to train.
        config: How.
        dataset: On what.
        folder: The checkpoint's folder. Locked while this runs; holds ``resume.pt`` until the run is complete.
        device: Where.
        resume: Go on from ``resume.pt`` if it exists; leave a complete run as it is.
        overwrite: Replace what the folder holds.
        limit: Use only the first this many images of each part, to try things out; recorded.
        others: Frames from elsewhere. Only used if the settings ask for looks or negatives.
        pseudo: Outlines by networks, see :func:`train.data.pseudo_labels.learn_from`.
        start: Weights to begin with.
        team: The processes that train together; the leading one alone reads and writes ``folder``.

    Raises:
        UsageError: The folder is refused (see :func:`check_folder`), or ``resume.pt`` is of another run.
        ModelError: ``resume.pt`` is damaged.
        DivergenceError: A loss, a weight or an answer is not finite.
    """
    with locked(folder) if team.leads else nullcontext():
        if team.leads:
            _check_free(folder, strategy.name, resume or overwrite)
        material = _gather(config, dataset, limit, others, pseudo, start)
        if team.tell(_open(folder, strategy, material, resume, overwrite) if team.leads else True):
            _train(strategy, material, dataset, folder, device, start, team)


@dataclass(frozen=True)
class _Material:
    """What a run learns from and is judged by.

    Attributes:
        config: Its settings, those that follow from the weights it begins with included.
        parts: Images of each part.
        others: Frames from elsewhere that are used.
        pseudo: Outlines by networks.
        data: The record of all of these.
    """

    config: TrainConfig
    parts: dict[str, list[Sample]]
    others: Sequence[Other]
    pseudo: Sequence[PseudoSample]
    data: DataRecord


def _gather(
    config: TrainConfig,
    dataset: Dataset,
    limit: int | None,
    others: Sequence[Other],
    pseudo: Sequence[PseudoSample],
    start: Start | None,
) -> _Material:
    split = make_split(dataset, config.split)
    if pseudo:
        check_unseen(pseudo[0].annotation, (*split.val, *split.test))
    if start:
        trained_on = start.record["trained_on"].get(dataset.title, ())
        refuse_seen(f"the network of {start.folder}", trained_on, (*split.val, *split.test))
        config = replace(config, start_sha256=start.record["sha256"])
    names = {"train": split.train, "val": split.val, "test": split.test}
    if config.train_images is not None:
        names["train"] = tuple(draw(split.train, config.train_images))
    parts = {part: dataset.select(chosen[:limit]) for part, chosen in names.items()}
    others = first_of_kinds([o for o in others if (config.negatives if o.mask is None else config.looks) > 0], limit)
    return _Material(config, parts, others, pseudo, _data_record(dataset, split, parts, limit, others, pseudo))


def _open(folder: Path, strategy: Strategy, material: _Material, resume: bool, overwrite: bool) -> bool:
    """Make a folder, which is locked, ready for a run. False if there is nothing to do."""
    state = folder / STATE
    if resume and (folder / INFO).exists() and not state.exists():
        _check_same(load_checkpoint(folder), strategy, material)
        name = strategy.name
        say(f"{name}: {folder} is complete; nothing to resume. Train anew with --overwrite, or with another --out.")
        return False
    _remove_leftovers(folder)
    if overwrite:
        state.unlink(missing_ok=True)  # else an interruption now and --resume would go on with the old run
    return True


def _check_same(found: Checkpoint, strategy: Strategy, material: _Material) -> None:
    """Refuse to take a complete run for one of another network, of other settings or of other data."""
    theirs = Identity(found.strategy.name, found.config, from_json(DataRecord, found.info["data"], found.folder))
    config = replace(material.config, precision=found.config.precision)  # it depends on the CPU
    changed = Identity(strategy.name, config, material.data).differences(theirs)
    if replace(found.strategy, summary="", name=strategy.name) != replace(strategy, summary=""):
        changed.append(f"network: another one than {strategy.name} now")
    if changed:
        raise UsageError(
            f"{found.folder} is a complete run of something else ({'; '.join(changed)}). Train into another folder, or "
            "move it away."
        )


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a run that was killed. The lock says that nobody is writing them."""
    remove_temporary(folder)
    for pattern in (f".*{NEW}", "resume.tmp"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _train(
    strategy: Strategy,
    material: _Material,
    dataset: Dataset,
    folder: Path,
    device: torch.device,
    start: Start | None,
    team: Team,
) -> None:
    keep_memory()
    commit = git_commit()  # now: the source tree can change before the end
    config, others, pseudo, data = material.config, material.others, material.pseudo, material.data
    parts = dict(material.parts)
    check_samples(dataset, [sample for part in parts.values() for sample in part])
    parts["val"] = cache(parts["val"])  # scored after every epoch
    run = Run(strategy, config, device, start, team)
    count = sum(p.numel() for p in run.model.parameters())
    if others:
        say(f"from elsewhere: {', '.join(f'{count} of {kind}' for kind, count in data.others.items())}")
    if pseudo:
        say(f"outlined by networks: {counted(len(pseudo), 'image')}")
    say(
        f"{strategy.name}: {count_trainable(run.model):,} of {count:,} parameters are trained; "
        f"{len(parts['train'])} images to train, {len(parts['val'])} to validate, {len(parts['test'])} to test "
        f"({dataset.title}, split {data.split}); "
        f"{config.image_size[0]}x{config.image_size[1]}, {device.type}, {config.precision}"
    )
    identity = Identity(strategy.name, config, data)
    if team.tell((folder / STATE).exists()):
        run.restore(folder / STATE, identity)
        say(f"resumed after epoch {len(run.history)}")
    _fit(run, parts, learn_from(parts["train"], pseudo, data.limit), others, folder / STATE, identity)
    if team.leads:
        _finish(run, parts, folder, data, commit, start)


def _data_record(
    dataset: Dataset,
    split: Split,
    parts: Mapping[str, Sequence[Sample]],
    limit: int | None,
    others: Sequence[Other],
    pseudo: Sequence[PseudoSample],
) -> DataRecord:
    return DataRecord(
        title=dataset.title,
        split=split.name,
        split_sha256=split.sha256,
        sha256=hash_samples([sample for part in parts.values() for sample in part]),
        images={name: len(part) for name, part in parts.items()},
        files={name: [sample.name for sample in part] for name, part in parts.items()},
        limit=limit,
        others=count_kinds(others),
        others_sha256=hash_others(others) if others else None,
        pseudo_labels=len(pseudo),
        pseudo_labels_sha256=hash_pseudo_labels(pseudo) if pseudo else None,
    )


def _fit(
    run: Run,
    parts: Mapping[str, Sequence[Sample]],
    samples: Sequence[Sample],
    others: Sequence[Other],
    state: Path,
    identity: Identity,
) -> None:
    config, val, team = run.config, parts["val"], run.team
    pool = make_pool(samples, others, config)
    judging = make_pool(parts["test"], [], config) if config.judge_as_paper else None
    count = len(pool.draw(config.seed, 0, config.negatives))
    val_images = [prepare(s.frame(), config.image_size, rule=config.resize_rule) for s in val]
    progress = Progress(config.epochs, count, done=len(run.history))
    while len(run.history) < config.epochs:
        started = time.monotonic()
        loss = run.epoch(pool, progress)
        scores = team.tell(_judge(run, val, val_images, judging) if team.leads else {})
        seconds = time.monotonic() - started
        run.seconds += seconds
        speed = round(count / seconds, 2)
        epoch = Epoch(len(run.history) + 1, loss, round(seconds, 1), speed, **scores)
        run.history.append(epoch)
        if team.leads:
            run.save(state, identity)
        paper_dice = epoch.paper_augmented["paper_dice"] if epoch.paper_augmented else None
        progress.epoch(loss, epoch.val_dice, epoch.val_hc_absolute_difference_mm, paper_dice)


def _judge(run: Run, val: Sequence[Sample], images: Sequence[Prepared], judging: Pool | None) -> dict[str, Any]:
    scores = run.validate(val, images) if val else {}
    return scores | run.judge_as_paper(judging.images, judging.masks) if judging else scores


def _finish(
    run: Run,
    parts: Mapping[str, Sequence[Sample]],
    folder: Path,
    data: DataRecord,
    commit: str | None,
    start: Start | None,
) -> None:
    """Score the network on the test part, with its weights as they are stored, and write the checkpoint."""
    config, model = run.config, run.model
    kept = config.epochs
    if config.keep == "best" and run.best is not None:
        model.load_state_dict(run.best)
        kept = max(run.history, key=lambda epoch: epoch.val_dice or 0.0).epoch
    where = f"the network of epoch {kept}"
    model.load_state_dict({k: stored_dtype(v).to(v.dtype) for k, v in model.state_dict().items()})
    if bad := find_not_finite(model.state_dict()):
        raise run.diverged(f"{bad} once it is stored in float16, whose largest value is 65504", where)
    predict = run.guarded("test", where)
    scores = evaluate(predict, parts["test"], config.image_size, config.resize_rule)
    metrics = summarize(scores)
    paper = evaluate_paper(predict, parts["test"], config.image_size, config.resize_rule)
    facts = {
        "data": asdict(data),
        "encoder_weights": run.encoder_weights,
        "started_from": start.record if start else None,
        "trainable_parameters": count_trainable(model),
        "kept_epoch": kept,
        "history": [epoch.to_json() for epoch in run.history],
        "seconds": round(run.seconds, 1),
        "metrics": {data.split: metrics, "paper_pooled": paper},
        "per_image": scores_to_json(scores),
        "device": {
            "type": run.device.type,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            **({"processes": run.team.size} if run.team.size > 1 else {}),
        },
        "git_commit": commit,
        "tools": tool_versions(TOOLS),
    }
    try:
        save_checkpoint(folder, model.cpu(), config, facts)
    except UsageError as error:
        raise write_failed(folder / WEIGHTS, error) from error
    (folder / STATE).unlink(missing_ok=True)
    if metrics["n_hc_refused"] == len(scores):
        say(
            f"warning: {model.strategy.name} measured no head in any of the {len(scores)} test images. It was trained "
            f"too briefly ({counted(config.epochs, 'epoch')} of {counted(len(parts['train']), 'image')}), or it "
            f"diverged (learning rate {config.lr:g}: try a lower --lr)."
        )
    adf = metrics["hc_absolute_difference_mm"]["mean"]
    say(
        f"{model.strategy.name}: test Dice {metrics['dice']['mean']:.2%}, "
        f"ADF {'none measured' if adf is None else f'{adf:.2f} mm'}, {metrics['n_hc_refused']} refused; "
        f"kept epoch {kept}; wrote {folder}"
    )
