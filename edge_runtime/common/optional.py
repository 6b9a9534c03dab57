"""The one place optional packages are imported from."""

from __future__ import annotations

import importlib
from typing import Any

from edge_runtime.errors import FetalHeadError

_EXTRAS = {
    "PIL": ("pillow", "images"),
    "cryptography": ("cryptography", "sign"),
    "pooch": ("pooch", "train"),
    "matplotlib": ("matplotlib", "report"),
    "skimage": ("scikit-image", "dev"),
    "torch": ("torch", "train"),
    "tensorflow": ("tensorflow", "export"),
    "onnx2tf": ("onnx2tf", "export"),
    "onnxruntime": ("onnxruntime", "export"),
    "onnxsim": ("onnxsim", "export"),
    "openvino": ("openvino", "peers"),
    "nncf": ("nncf", "peers"),
}


def require(module: str) -> Any:
    """Import an optional module, or say which extra brings it.

    Args:
        module: Dotted name, e.g. ``"PIL.Image"``.

    Returns:
        The imported module.

    Raises:
        FetalHeadError: The package is not installed; the message names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package, extra = _EXTRAS.get(module.split(".")[0], (module, "all"))
        raise FetalHeadError(
            f"This needs the package '{package}', which is not installed ({error}). "
            f"Install it with: pip install 'fetal-head-edge[{extra}]'  (or: pip install {package})"
        ) from error
