"""The shipped model, with either resize rule."""

from __future__ import annotations

from dataclasses import replace

from edge_runtime import Segmenter
from edge_runtime.frame.geometry import ResizeRule


def load_shipped(rule: ResizeRule) -> Segmenter:
    """The shipped network, given its frames by a rule that need not be the one it was trained with."""
    segmenter = Segmenter.load()
    preprocessing = replace(segmenter.manifest.preprocessing, resize_rule=rule)
    segmenter.manifest = replace(segmenter.manifest, preprocessing=preprocessing)
    return segmenter
