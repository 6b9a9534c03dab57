"""Imports optional packages. Nothing else does."""

from __future__ import annotations

import importlib
from typing import Any

from edge_runtime.errors import FetalHeadError

PACKAGES = {
    "PIL": ("pillow", None),
    "ai_edge_litert": ("ai-edge-litert", None),
    "cryptography": ("cryptography", "sign"),
    "pydicom": ("pydicom", "dicom"),
    "highdicom": ("highdicom", "dicom"),
    "gdcm": ("python-gdcm", "dicom"),
    "pynetdicom": ("pynetdicom", "dicom"),
    "reportlab": ("reportlab", "pdf"),
    "pyigtl": ("pyigtl", "igtl"),
    "ray": ("ray", "archive"),
    "pyarrow": ("pyarrow", "archive"),
    "fsspec": ("fsspec", "archive"),
    "pooch": ("pooch", "train"),
    "torch": ("torch", "train"),
    "torchvision": ("torchvision", "train"),
    "segmentation_models_pytorch": ("segmentation-models-pytorch", "train"),
    "safetensors": ("safetensors", "train"),
    "tensorflow": ("tensorflow", "export"),
    "onnx": ("onnx", "export"),
    "onnx2tf": ("onnx2tf", "export"),
    "onnxruntime": ("onnxruntime", "export"),
    "onnxsim": ("onnxsim", "export"),
    "matplotlib": ("matplotlib", "report"),
    "segno": ("segno", "phone"),
    "skimage": ("scikit-image", "dev"),
}
"""Module to (package, extra that brings it). The extra is None if a plain install brings the package."""


def require(module: str) -> Any:
    """Import an optional module.

    Args:
        module: Dotted name, for example ``"PIL.Image"``.

    Returns:
        The imported module.

    Raises:
        FetalHeadError: The package is not installed. The message says what to install.
    """
    try:
        return import_or_stop(module)
    except ImportError as error:
        top = module.split(".")[0]
        package, extra = PACKAGES.get(top, (top, None))
        install = f"pip install {package}"
        if extra:
            install = f"pip install 'fetal-head-edge[{extra}]'  (or: {install})"
        raise FetalHeadError(
            f"This needs the package '{package}', which cannot be imported ({error}). Install it with: {install}"
        ) from error


def import_or_stop(module: str) -> Any:
    """Import a module; Ctrl-C and a termination end the program as they do elsewhere.

    Modules in C++ by pybind11 report a KeyboardInterrupt or SystemExit while they start as an ImportError, and cannot
    be imported again.

    Raises:
        ImportError: It is not installed, or it cannot start.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason: BaseException | None = error
        while isinstance(reason, Exception):
            reason = reason.__cause__ or reason.__context__
        if reason is not None:
            raise reason from None
        raise
