"""The training loop: resumable, seeded, the same for every strategy."""

from __future__ import annotations

import ctypes
import math
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_runtime.common.cli import say
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.errors import UsageError
from edge_runtime.frame.preprocess import prepare
from edge_runtime.frame.resize import resize
from edge_runtime.metrics import scores_to_json, summarize
from train.augment import AUGMENTS
from train.checkpoint import INFO, load_checkpoint, save_checkpoint, stored_dtype
from train.config import TrainConfig
from train.data.check import check_samples
from train.data.hc18 import Dataset, Sample, cache, hash_samples
from train.data.score import evaluate, evaluate_paper, score_sample
from train.data.splits import Split, draw, make_split
from train.model import HeadNet, count_trainable, freeze, load_encoder, make_predictor, set_train_mode
from train.progress import Progress
from train.strategies import Strategy
from train.weights import find_encoder_weights

STATE = "resume.pt"
TOOLS = ("torch", "torchvision", "segmentation-models-pytorch", "numpy", "safetensors", "pillow")
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_FROM_EPOCH_SEED = 1_000_003  # a prime far above any epoch count, so that (seed, epoch) pairs do not meet


def pick_device(name: str) -> torch.device:
    """``auto`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        UsageError: The device asked for is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(d for d, there in present.items() if there))
    if not present.get(name):
        raise UsageError(f"There is no device '{name}' here; there is {[d for d, there in present.items() if there]}.")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """``auto`` is bfloat16 where the hardware multiplies it fast (CUDA from Ampere, CPUs with AVX-512), else float32.

    On a CPU with AVX2 alone bfloat16 is emulated and 10 times slower than float32.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if fast else "float32"


def keep_memory() -> None:
    """Let the C library keep what tensors free, for those of the next step.

    glibc maps each large tensor anew and returns it at once; the kernel's zeroing of those pages took 18 % of a step of
    the paper's network at 256x256. Does nothing on other systems.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, -1)


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Learning rate at a point of the run, 0 to 1.

    ``one_cycle``: from lr / 25 up to lr over the first 30 %, then down to lr / 10,000, both by half a cosine
    (Smith and Topin 2017, as in PyTorch's OneCycleLR).
    """
    if config.schedule == "constant":
        return config.lr
    if progress < 0.3:
        start, end, t = config.lr / 25, config.lr, progress / 0.3
    else:
        start, end, t = config.lr, config.lr / 10_000, (progress - 0.3) / 0.7
    return end + (start - end) * (1 + math.cos(math.pi * t)) / 2


def segmentation_loss(name: str, logits: Tensor, target: Tensor) -> Tensor:
    """BCE with logits, or that plus soft Dice loss per image; ``target`` in [0, 1]."""
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    if name == "bce_dice":
        p = torch.sigmoid(logits)
        both = (p * target).sum(dim=(1, 2, 3))
        loss = loss + (1 - (2 * both + 1) / (p.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3)) + 1)).mean()
    return loss


def load_arrays(samples: Sequence[Sample], config: TrainConfig) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Prepared frames and masks of samples, uint8 (N, h, w); mask values are coverage, 0 to 255."""

    def one(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        mask = resize(sample.mask(config.mask), config.image_size)
        return prepare(sample.frame(), config.image_size), np.rint(mask * 255).astype(np.uint8)

    with ThreadPoolExecutor(2) as pool:
        pairs = list(pool.map(one, samples))
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])


class Run:
    """State of one training run: what :data:`STATE` saves and restores."""

    def __init__(self, strategy: Strategy, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.model = HeadNet(strategy)
        if config.encoder_weights != "random" and strategy.architecture == "mobilenet_v2-unet":
            load_encoder(self.model, find_encoder_weights(config.encoder_weights))
        freeze(self.model)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        learning = [p for p in self.model.parameters() if p.requires_grad]
        if config.optimizer == "adamw":
            self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(learning, lr=config.lr, weight_decay=0.01)
        else:
            self.optimizer = torch.optim.Adam(learning, lr=config.lr)
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_dice = -1.0
        self.seconds = 0.0

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
            "best_dice": self.best_dice,
            "seconds": self.seconds,
            "config": self.config.to_json(),
        }
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(path)

    def restore(self, path: Path) -> None:
        """Read the state back.

        Raises:
            UsageError: It was saved under other settings.
        """
        state = torch.load(path, map_location=self.device, weights_only=True)
        ours, theirs = self.config.to_json(), state["config"]
        changed = {k: (theirs.get(k), v) for k, v in ours.items() if _plain(theirs.get(k)) != _plain(v)}
        if changed:
            raise UsageError(
                f"{path} was saved under other settings (then, now): {changed}. Resume with the same ones."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best = state["history"], state["best"]
        self.best_dice, self.seconds = state["best_dice"], state["seconds"]

    def epoch(self, images: NDArray[np.uint8], masks: NDArray[np.uint8], progress: Progress) -> float:
        """Train one epoch; returns its mean loss. Everything random follows from (seed, epoch)."""
        config, number = self.config, len(self.history)
        generator = torch.Generator().manual_seed(config.seed * _FROM_EPOCH_SEED + number)
        torch.manual_seed(config.seed * _FROM_EPOCH_SEED + number)
        order = torch.randperm(len(images), generator=generator).numpy()
        # A last batch of one image gives batch norm nothing to normalize at 1x1 deep in the network: it is left out.
        starts = [s for s in range(0, len(order), config.batch_size) if s == 0 or len(order) - s > 1]
        augment = AUGMENTS[config.augment]
        set_train_mode(self.model)
        total = 0.0
        for i, start in enumerate(starts):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(config, (number + i / len(starts)) / config.epochs)
            picked = order[start : start + config.batch_size]
            x, y = (torch.from_numpy(a[picked])[:, None].float() / 255 for a in (images, masks))
            x, y = augment(x, y, generator)
            x = x.to(self.device, memory_format=torch.channels_last)
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
                logits = self.model(x)
            loss = segmentation_loss(config.loss, logits.float(), y.to(self.device))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.item()
            progress.step(len(picked), total / (i + 1))
        return total / len(starts)

    def validate(self, samples: Sequence[Sample], images: NDArray[np.uint8]) -> dict[str, float | None]:
        """Mean per-image Dice and ADF on the validation part; keeps the weights where they are the best so far."""
        self.model.eval()
        predict = make_predictor(self.model, self.device)
        scores = [score_sample(s, x, predict(x), distances=False) for s, x in zip(samples, images, strict=True)]
        summary = summarize(scores)
        dice = summary["dice"]["mean"]
        if dice > self.best_dice:
            self.best_dice = dice
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        adf = summary["hc_absolute_difference_mm"]["mean"]
        return {"val_dice": dice, "val_hc_absolute_difference_mm": adf, "val_hc_refused": summary["n_hc_refused"]}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


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
) -> None:
    """Train one strategy and write its checkpoint.

    Args:
        strategy: What to train.
        config: How.
        dataset: On what.
        folder: The checkpoint's folder. Holds ``resume.pt`` until the run is complete.
        device: Where.
        resume: Go on from ``resume.pt`` where there is one; a complete run is left as it is.
        overwrite: Replace what the folder holds.
        limit: Use only the first this many images of each part (for trying things out; recorded).

    Raises:
        UsageError: The folder holds a run and neither ``resume`` nor ``overwrite`` is set.
    """
    state = folder / STATE
    if (folder / INFO).exists() and resume:
        load_checkpoint(folder)
        say(f"{strategy.name}: {folder} is complete; nothing to resume. To train anew: another --out, or --overwrite.")
        return
    if not resume and not overwrite and ((folder / INFO).exists() or state.exists()):
        raise UsageError(
            f"{folder} already holds a run of {strategy.name}. Add --resume to go on, --overwrite to start anew."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state.with_suffix(".tmp").touch()
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error}. Choose another --out.") from error
    keep_memory()
    commit = git_commit()  # now, not at the end: hours of work on the tree may lie between
    split = make_split(dataset, config.split)
    names = {"train": split.train, "val": split.val, "test": split.test}
    if config.train_images is not None:
        names["train"] = tuple(draw(split.train, config.train_images))
    parts = {part: dataset.select(chosen[:limit]) for part, chosen in names.items()}
    check_samples(dataset, [sample for part in parts.values() for sample in part])
    parts["val"] = cache(parts["val"])  # scored after every epoch
    run = Run(strategy, config, device)
    count = sum(p.numel() for p in run.model.parameters())
    say(
        f"{strategy.name}: {count_trainable(run.model):,} of {count:,} parameters learn; "
        f"{len(parts['train'])} images, {len(parts['val'])} to choose on, {len(parts['test'])} to test "
        f"({dataset.title}, split {split.name}); "
        f"{config.image_size[0]}x{config.image_size[1]}, {device.type}, {config.precision}"
    )
    if resume and state.exists():
        run.restore(state)
        say(f"resumed after epoch {len(run.history)}")
    _fit(run, parts, state)
    _finish(run, dataset, split, parts, folder, limit, commit)


def _fit(run: Run, parts: dict[str, list[Sample]], state: Path) -> None:
    config = run.config
    images, masks = load_arrays(parts["train"], config)
    val_images = load_arrays(parts["val"], config)[0] if parts["val"] else np.zeros((0, 1, 1), np.uint8)
    progress = Progress(config.epochs, len(images), done=len(run.history))
    while len(run.history) < config.epochs:
        started = time.monotonic()
        entry: dict[str, Any] = {"epoch": len(run.history) + 1, "loss": run.epoch(images, masks, progress)}
        if parts["val"]:
            entry |= run.validate(parts["val"], val_images)
        seconds = time.monotonic() - started
        run.seconds += seconds
        entry |= {"seconds": round(seconds, 1), "images_per_second": round(len(images) / seconds, 2)}
        run.history.append(entry)
        run.save(state)
        progress.epoch(entry)


def _finish(
    run: Run,
    dataset: Dataset,
    split: Split,
    parts: dict[str, list[Sample]],
    folder: Path,
    limit: int | None,
    commit: str | None,
) -> None:
    """Score the network as it is stored, on the test part, and write the checkpoint."""
    config, model = run.config, run.model
    if config.keep == "best" and run.best is not None:
        model.load_state_dict(run.best)
    model.load_state_dict({k: stored_dtype(v).to(v.dtype) for k, v in model.state_dict().items()})
    model.eval()
    predict = make_predictor(model, run.device)
    scores = evaluate(predict, parts["test"], config.image_size)
    metrics = summarize(scores)
    kept = (
        max(run.history, key=lambda e: e["val_dice"])["epoch"]
        if config.keep == "best" and parts["val"]
        else config.epochs
    )
    facts = {
        "data": {
            "title": dataset.title,
            "split": split.name,
            "split_sha256": split.sha256,
            "sha256": hash_samples([s for part in parts.values() for s in part]),
            "images": {name: len(part) for name, part in parts.items()},
            "files": {name: [sample.name for sample in part] for name, part in parts.items()},
            "limit": limit,
        },
        "trainable_parameters": count_trainable(model),
        "kept_epoch": kept,
        "history": run.history,
        "seconds": round(run.seconds, 1),
        "metrics": {split.name: metrics, "paper_pooled": evaluate_paper(predict, parts["test"], config.image_size)},
        "per_image": scores_to_json(scores),
        "device": {"type": run.device.type, "threads": torch.get_num_threads(), "machine": platform.machine()},
        "git_commit": commit,
        "tools": tool_versions(TOOLS),
    }
    save_checkpoint(folder, model.cpu(), config, facts)
    (folder / STATE).unlink(missing_ok=True)
    adf = metrics["hc_absolute_difference_mm"]["mean"]
    say(
        f"{model.strategy.name}: test Dice {metrics['dice']['mean']:.2%}, "
        f"ADF {'none measured' if adf is None else f'{adf:.2f} mm'}, {metrics['n_hc_refused']} refused; "
        f"kept epoch {kept}; wrote {folder}"
    )
