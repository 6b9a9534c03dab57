"""What every result file of the commands on one machine says: where, when, with what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common.device import Device, this_device
from edge_runtime.common.provenance import git_commit, tool_versions
from edge_runtime.common.record import LEFT_OUT


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The fields that these result files share. Those with a default came later: older files lack them.

    Attributes:
        schema_version: Version of the kind of document.
        device: The machine it was measured on.
        git_commit: Commit of the source tree, ``-dirty`` appended if it had changes; None outside a checkout.
        date: Day of the measurement, YYYY-MM-DD.
        threads: CPU threads of the interpreter.
        tools: Versions of Python and of the packages that matter here, by name.
    """

    schema_version: int
    device: Device
    git_commit: str | None
    date: str | None = field(default=None, metadata=LEFT_OUT)
    threads: int | None = field(default=None, metadata=LEFT_OUT)
    tools: dict[str, str] | None = field(default=None, metadata=LEFT_OUT)


def here_and_now(version: int, packages: Sequence[str], threads: int | None) -> dict[str, Any]:
    """The fields of :class:`Measured` for a measurement on this machine, today.

    Args:
        version: Version of the kind of document.
        packages: The packages that matter, by distribution name.
        threads: CPU threads of the interpreter; None where it is not one number.
    """
    return {
        "schema_version": version,
        "device": this_device(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d"),
        "threads": threads,
        "tools": tool_versions(packages),
    }
