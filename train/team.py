"""Several processes that train one network together, started by ``torchrun``. One process is a team of its own.

Every process draws and alters the whole batch, from the same seed, and computes its share of it. The loss is that of
the whole batch, and batch norm normalizes by the whole batch unless told otherwise: the result is that of one process,
up to the order of additions.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from edge_runtime.errors import FetalHeadError, UsageError

_FEWEST = 2
"""Images of a share: batch norm needs two where the map is 1x1. Of a smaller batch, every process computes all."""

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """The processes of a training.

    Attributes:
        rank: Which of them this is, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process validates, prints and writes."""
        return self.rank == 0

    def tell(self, value: T) -> T:
        """The value that the leading process gives; everybody waits for it."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[no-any-return]

    def share(self, model: nn.Module, synced: bool) -> nn.Module:
        """A network whose gradients are the mean over the processes; it shares ``model``'s weights.

        Args:
            model: The network, on its device, the same in every process.
            synced: Batch norm normalizes by the whole batch instead of a process's share.
        """
        if self.size == 1:
            return model
        if synced:
            for module in model.modules():
                if type(module) is nn.BatchNorm2d:
                    module.__class__ = SyncedBatchNorm
        return nn.parallel.DistributedDataParallel(model)

    def compute(self, network: nn.Module, x: Tensor) -> Tensor:
        """Answers (N, C, h, w) of a whole batch (N, ...), of which each process computes a share.

        The gradient of what follows, which must be the same in every process, is that of one process.
        """
        if len(x) < _FEWEST * self.size or self.size == 1:
            return network(x)  # type: ignore[no-any-return]
        starts = torch.arange(len(x)).tensor_split(self.size)[self.rank]
        mine = slice(int(starts[0]), int(starts[-1]) + 1)
        answers = network(x[mine]).float()
        before, after = mine.start, len(x) - mine.stop
        return _sum(nn.functional.pad(answers, (0, 0, 0, 0, 0, 0, before, after)))


class _Sum(torch.autograd.Function):
    """The sum over all processes, and so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


def _sum(x: Tensor) -> Tensor:
    return _Sum.apply(x)  # type: ignore[no-any-return]


ALONE = Team()

_LOST = "gloo|Gloo|NCCL|Connection (reset|closed|refused)|[Tt]imed out|Broken pipe"


class SyncedBatchNorm(nn.BatchNorm2d):
    """Batch norm by mean and variance of all processes' images. torch's own of this kind is for CUDA alone."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        count = x.new_tensor([x.numel() / x.shape[1]], dtype=torch.float32)
        sums = _sum(torch.cat([values.sum((0, 2, 3)), count]))
        n = sums[-1]
        mean = sums[:-1] / n
        centred = values - mean[:, None, None]
        variance = _sum(centred.square().sum((0, 2, 3))) / n
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        answer: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return answer.to(x.dtype)


def _team(told: Mapping[str, str | None]) -> Team:
    """The team that torchrun's variables name.

    Raises:
        UsageError: One is missing, or is not a number that can be.
    """
    if missing := [name for name, value in told.items() if value is None]:
        wrong = f"it is set and {' and '.join(missing)} {'are' if missing[1:] else 'is'} not"
    else:
        rank, size = (str(told[name]) for name in ("RANK", "WORLD_SIZE"))
        if rank.isdecimal() and size.isdecimal() and int(rank) < int(size):
            return Team(int(rank), int(size))
        wrong = f"it is {size!r}, and RANK {rank!r}"
    raise UsageError(f"WORLD_SIZE is not torchrun's: {wrong}. Start the training with torchrun, or unset WORLD_SIZE.")


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[tuple[Team, torch.device]]:
    """Join the processes that ``torchrun`` started, if it did. All but the leading one print nothing.

    Args:
        device: Where to compute.

    Yields:
        The team, and this process's device: with CUDA, each process has a GPU of its own.

    Raises:
        UsageError: Some of torchrun's variables are set, and others are not.
        FetalHeadError: Another process has ended, or cannot be reached.
    """
    told = {name: os.environ.get(name) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
    if told["WORLD_SIZE"] in (None, "1"):
        yield ALONE, device
        return
    team = _team(told)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not team.leads:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        store = next(rendezvous("env://"))[0]
        # the processes that torchrun starts anew must not find the addresses of those before
        store = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=team.rank, world_size=team.size)
        yield team, device
        # All end together. One that ends right after its last message may die of SIGABRT: a thread of gloo's still lets
        # go of that message, for which it needs an interpreter that is no longer there (pytorch/pytorch#179291).
        dist.barrier(device_ids=[device.index] if device.type == "cuda" else None)
    except RuntimeError as error:  # gloo's are of no kind of their own
        if not re.search(_LOST, str(error)):
            raise
        raise FetalHeadError(
            "Another process of this training has ended, or cannot be reached. With --max-restarts torchrun starts all "
            "of them anew, and --resume goes on after the last epoch."
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
