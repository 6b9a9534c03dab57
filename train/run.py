"""One training run: its steps, its validation, and what stops it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_runtime.frame.preprocess import Prepared
from edge_runtime.metrics import PAPER_BATCH, paper_pooled, summarize
from train.augment import AUGMENTS
from train.config import AugmentName, TrainConfig
from train.data.hc18 import Sample
from train.data.score import Predict, score_sample
from train.divergence import DivergenceError, find_fault, find_not_finite
from train.frames.pool import Pool
from train.networks.losses import at_size, segmentation_loss, unpack
from train.networks.model import HeadNet, freeze, load_encoder, make_predictor, set_train_mode
from train.progress import Progress
from train.start import Start
from train.state import STATE, Epoch, Identity, State, load_state, save_state, unusable
from train.strategies import Strategy
from train.team import ALONE, Team
from train.weights import find_encoder_weights

_FROM_EPOCH_SEED = 1_000_003  # a prime far above any number of epochs: no two pairs of seed and epoch give the same


def learning_rate(config: TrainConfig, progress: float) -> float:
    """The learning rate at a point of the run; ``progress`` goes from 0 to 1.

    ``one_cycle`` rises from lr / 25 to lr over the first 30% and then falls to lr / 10,000, each along half a cosine
    (Smith and Topin 2017, as in PyTorch's OneCycleLR).
    """
    if config.schedule == "constant":
        return config.lr
    if progress < 0.3:
        start, end, t = config.lr / 25, config.lr, progress / 0.3
    else:
        start, end, t = config.lr, config.lr / 10_000, (progress - 0.3) / 0.7
    return end + (start - end) * (1 + math.cos(math.pi * t)) / 2


def augmentation(config: TrainConfig, epoch: int) -> AugmentName:
    """The changes of an epoch, from 0: ``turned`` calms down to ``ours`` for the last of them."""
    calm = config.augment == "turned" and epoch >= round((1 - config.calm) * config.epochs)
    return "ours" if calm else config.augment


class Run:
    """One training run: a network, its optimizer and the epochs that are done."""

    def __init__(
        self,
        strategy: Strategy,
        config: TrainConfig,
        device: torch.device,
        start: Start | None = None,
        team: Team = ALONE,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.team = team
        # Bytes are moved and then changed there; on Apple's devices not all of the changes are implemented.
        self.changes_on = device if device.type == "cuda" else torch.device("cpu")
        self.encoder_weights: dict[str, str] | None = None
        self.model = HeadNet(strategy)
        if start:
            self.model.net.load_state_dict(start.weights)
        elif config.encoder_weights != "random" and strategy.encoder:
            found = find_encoder_weights(config.encoder_weights, strategy.encoder)
            load_encoder(self.model, found.tensors)
            self.encoder_weights = {"file": found.file, "sha256": found.sha256}
        self.initial_fault = find_not_finite(self.model.state_dict())
        freeze(self.model)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = team.share(self.model, config.batch_norm == "synced")
        learning = [p for p in self.model.parameters() if p.requires_grad]
        if config.optimizer == "adamw":
            self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(learning, lr=config.lr, weight_decay=0.01)
        else:
            self.optimizer = torch.optim.Adam(learning, lr=config.lr)
        # float16 has few small numbers: losses are enlarged before their gradients are computed
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] | None = None
        self.best_dice = -1.0
        self.seconds = 0.0

    def save(self, path: Path, identity: Identity) -> None:
        """Write the state, whole or not at all."""
        model, optimizer, scaler = self.model.state_dict(), self.optimizer.state_dict(), self.scaler.state_dict()
        state = State(self.history, model, optimizer, self.best, self.best_dice, self.seconds, scaler)
        save_state(path, state, identity)

    def restore(self, path: Path, identity: Identity) -> None:
        """Go on from a state, which the leading process reads.

        Raises:
            ModelError: The file is damaged, or is not the state of such a run.
            UsageError: It was saved under other settings or with other data.
        """
        state = self.team.tell(load_state(path, identity, self.device) if self.team.leads else None)
        assert state is not None
        try:
            if state.best is not None:
                self.model.load_state_dict(state.best)  # only to see that it fits
            self.model.load_state_dict(state.model)
            self.optimizer.load_state_dict(state.optimizer)
            self.scaler.load_state_dict(state.scaler)
            for parameter, moments in self.optimizer.state.items():
                if any(moments[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")):
                    raise ValueError("the optimizer's state does not fit the network")
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise unusable(path, f"it is not the state of this network ({str(error).splitlines()[0]})") from error
        self.history, self.best = state.history, state.best
        self.best_dice, self.seconds = state.best_dice, state.seconds

    def epoch(self, pool: Pool, progress: Progress) -> float:
        """Train one epoch. Everything random follows from the seed and the epoch's number.

        Returns:
            The mean loss.

        Raises:
            DivergenceError: A loss, a weight or a running variance is not finite.
        """
        config, number = self.config, len(self.history)
        generator = self.generator()
        torch.manual_seed(config.seed * _FROM_EPOCH_SEED + number)
        order = pool.draw(config.seed, number, config.negatives)
        # A last batch of one image gives batch norm nothing to normalize at 1x1 deep in the network, so it is left out.
        starts = [s for s in range(0, len(order), config.batch_size) if s == 0 or len(order) - s > 1]
        augment = AUGMENTS[augmentation(config, number)]
        set_train_mode(self.model)
        total = 0.0
        for i, start in enumerate(starts):
            rate = learning_rate(config, (number + i / len(starts)) / config.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            picked = order[start : start + config.batch_size]
            x, y = augment(*self.batch(pool.images[picked], pool.masks[picked]), generator)
            with self.autocast():
                logits = self.team.compute(self.network, x.to(self.device, memory_format=torch.channels_last))
            loss = segmentation_loss(config.loss, at_size(logits, (y.shape[2], y.shape[3])), y.to(self.device))
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.scaler.step(self.optimizer)
            self.scaler.update()
            value = loss.item()
            if not math.isfinite(value):
                raise self.diverged(f"step {i + 1} of {len(starts)}, learning rate {rate:.3g}: the loss is {value}")
            total += value
            progress.step(len(picked), total / (i + 1))
        # The loss shows a bad gradient one step later, which the last step lacks, and never a variance that overflowed.
        if bad := find_not_finite(self.model.state_dict()) or find_not_finite(self._moments()):
            raise self.diverged(f"after step {len(starts)} of {len(starts)}, learning rate {rate:.3g}: {bad}")
        return total / len(starts)

    def autocast(self) -> torch.autocast:
        """The number format of the network's layers, as the settings say."""
        precision = self.config.precision
        dtype = torch.float16 if precision == "float16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype, enabled=precision != "float32")

    def generator(self) -> torch.Generator:
        """Where the random changes of the next epoch come from: the seed and the epoch's number."""
        return torch.Generator(self.changes_on).manual_seed(self.config.seed * _FROM_EPOCH_SEED + len(self.history))

    def batch(self, images: NDArray[np.uint8], masks: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Prepared frames and their masks, uint8 (N, h, w), as an augmentation takes them, where it is made."""
        x = torch.from_numpy(images).to(self.changes_on)[:, None].float() / 255
        return x, unpack(masks, self.changes_on)

    def judge_as_paper(self, images: NDArray[np.uint8], masks: NDArray[np.uint8]) -> dict[str, dict[str, float]]:
        """Score the network on the test part as the paper's program does after every epoch, and without augmentation.

        Args:
            images: Prepared frames, uint8 (N, h, w).
            masks: Their masks as a pool holds them, uint8 (N, h, w).

        Returns:
            The fields of :class:`Epoch` that start with ``paper_``.
        """
        self.model.eval()
        found = {}
        for name, augment in ("paper_augmented", AUGMENTS[self.config.augment]), ("paper_plain", AUGMENTS["none"]):
            generator = self.generator()
            predicted, reference = [], []
            for start in range(0, len(images), PAPER_BATCH):
                part = slice(start, start + PAPER_BATCH)
                x, y = augment(*self.batch(images[part], masks[part]), generator)
                with torch.inference_mode(), self.autocast():
                    logits = self.model(x.to(self.device, memory_format=torch.channels_last))
                predicted.append((at_size(logits, (y.shape[2], y.shape[3]))[:, 0] > 0).cpu().numpy())
                reference.append((y[:, 0] > 0.5).cpu().numpy())
            found[name] = paper_pooled(np.concatenate(predicted), np.concatenate(reference))
        return found

    def _moments(self) -> dict[str, Tensor]:
        """The optimizer's tensors, by a name for messages."""
        return {
            f"the optimizer's {name} of parameter {i}": value
            for i, moments in enumerate(self.optimizer.state.values())
            for name, value in moments.items()
            if isinstance(value, Tensor)
        }

    def diverged(self, what: str, where: str | None = None) -> DivergenceError:
        """The error for a run whose numbers are not finite any more: what to do, and what is kept.

        Args:
            what: What was seen.
            where: Where the run stands; the epoch after those that are done if it is not given.
        """
        config, done = self.config, len(self.history)
        kept = f"{STATE} keeps the state after epoch {done}" if done else "nothing was saved"
        advice = f"start anew with a lower learning rate: --lr {config.lr / 10:.2g} --overwrite"
        if config.precision != "float32":
            advice += ", or with --precision float32"
        if self.initial_fault and not done:
            advice = f"the initial weights are to blame ({self.initial_fault}): give others with --encoder-weights"
        return DivergenceError(
            f"{self.model.strategy.name}: training diverged in {where or f'epoch {done + 1} of {config.epochs}'}, "
            f"{what}. No checkpoint was written; {kept}. --resume would end the same way; {advice}."
        )

    def validate(self, samples: Sequence[Sample], images: Sequence[Prepared]) -> dict[str, Any]:
        """Score the network on the validation part, and keep its weights if they are the best so far.

        Returns:
            The fields of :class:`Epoch` that start with ``val_``.

        Raises:
            DivergenceError: An answer is not finite.
        """
        self.model.eval()
        predict = self.guarded("validation")
        scores = [score_sample(s, x, predict(x.image), distances=False) for s, x in zip(samples, images, strict=True)]
        summary = summarize(scores)
        dice = summary["dice"]["mean"]
        if dice > self.best_dice:
            self.best_dice = dice
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        adf = summary["hc_absolute_difference_mm"]["mean"]
        return {"val_dice": dice, "val_hc_absolute_difference_mm": adf, "val_hc_refused": summary["n_hc_refused"]}

    def guarded(self, when: str, where: str | None = None) -> Predict:
        """The network in evaluation mode; an answer that is not finite stops the run (see :meth:`diverged`)."""
        self.model.eval()
        predict = make_predictor(self.model, self.device)

        def guarded(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
            logits = predict(frame)
            if not np.isfinite(logits).all():
                raise self.diverged(f"{when}: the network {find_fault(logits[None])}", where)
            return logits

        return guarded
