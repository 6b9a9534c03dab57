"""What the commands of ``python -m edge_runtime`` do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.bench import STAGES, BenchConfig, bench_model, synthetic_frame
from edge_runtime.device import device_text, fingerprint, throttling_text
from edge_runtime.errors import FetalHeadError, UsageError
from edge_runtime.golden import LEAST_DICE, Golden
from edge_runtime.image_io import read_image, write_mask
from edge_runtime.pixel_sizes import check_pixel_size, pixel_size_of, read_csv
from edge_runtime.segmenter import DEFAULT_MODEL, Measurement, Segmenter
from edge_runtime.signature import signer_id


def pixel_size_source(args: argparse.Namespace) -> Callable[[Path], float | None]:
    """A function from image to its pixel size in mm; what can be checked before the first image is."""
    if args.pixel_size_mm is not None:
        size = check_pixel_size(args.pixel_size_mm, "--pixel-size-mm")
        return lambda image: size
    if args.pixel_size_csv is not None:
        rows = read_csv(args.pixel_size_csv)
        sizes = {image: pixel_size_of(rows, image.name, args.pixel_size_csv) for image in args.images}
        return lambda image: sizes[image]
    return lambda image: None


def _check_mask_names(images: list[Path], folder: Path) -> None:
    """Refuse to write two masks to one file, or a mask over an image."""
    names = [image.name for image in images]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UsageError(
            f"{len(twice)} file names of images come twice (first: {twice[0]}); their masks would overwrite each other."
        )
    for image in images:
        if (folder / image.name).resolve() == image.resolve():
            raise UsageError(f"--mask-dir {folder} is the images' own folder; the masks would overwrite them.")


def _record(image: Path, result: Measurement) -> dict[str, Any]:
    latency = result.latency_ms
    return {
        "image": image.name,
        "head_circumference_mm": result.head_circumference_mm,
        "reason": result.reason,
        "interval_mm": result.interval_mm and list(result.interval_mm),
        "trust": result.trust,
        "caution": result.caution,
        "pixel_size_mm": result.pixel_size_mm and list(result.pixel_size_mm),
        "ellipse": result.ellipse and asdict(result.ellipse),
        "quality": asdict(result.quality),
        "latency_ms": {**asdict(latency), "total": latency.total},
    }


def _text(result: Measurement) -> str:
    hc, interval = result.head_circumference_mm, result.interval_mm
    if hc is None:
        return f"no HC: {result.reason}"
    within = f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
    return f"HC {hc:7.1f} mm{within}" + (f"  CAUTION: {result.caution}" if result.caution else "")


def measure(args: argparse.Namespace) -> int:
    """Measure image files; an unreadable one is reported, the others are still measured, and the exit code is 1."""
    pixel_size = pixel_size_source(args)
    if args.mask_dir is not None:
        _check_mask_names(args.images, args.mask_dir)
    segmenter = Segmenter.load(args.model, threads=args.threads, trusted_keys=args.trusted_keys)
    code = 0
    for image in args.images:
        try:
            result = segmenter.measure(read_image(image), pixel_size(image), second_look=args.second_look)
        except FetalHeadError as error:
            code = max(code, error.exit_code)
            print(f"error: {error}", file=sys.stderr)
            if args.json:
                print(
                    json.dumps({"image": image.name, "head_circumference_mm": None, "reason": str(error)}), flush=True
                )
            continue
        if args.mask_dir is not None:
            write_mask(args.mask_dir / image.name, result.mask)
        if args.json:
            print(json.dumps(_record(image, result), allow_nan=False), flush=True)
        else:
            print(f"{image.name:<24} {_text(result)}   ({result.latency_ms.total:.1f} ms)", flush=True)
    if not args.json:
        print("Research use only; not a medical device.")
    return code


def bench(args: argparse.Namespace) -> int:
    """Measure latency and memory of models, one after the other in this process."""
    config = BenchConfig(frames=args.frames, warmup=args.warmup, threads=args.threads)
    results = [bench_model(model, config, trusted_keys=args.trusted_keys) for model in args.model or [None]]
    if args.json:
        print(json.dumps({"schema_version": 1, "device": fingerprint(), "results": results}, allow_nan=False))
        return 0
    print(f"{'artifact':<28} {'MB':>6} {'first ms':>9}" + "".join(f" {stage + ' p50/p90 ms':>22}" for stage in STAGES))
    for r in results:
        pairs = [(r["latency_ms"][stage]["p50"], r["latency_ms"][stage]["p90"]) for stage in STAGES]
        cells = "".join(f" {p50:>13.2f} / {p90:>6.2f}" for p50, p90 in pairs)
        print(f"{r['artifact']:<28} {r['size_bytes'] / 1e6:>6.2f} {r['time_to_first_result_ms']:>9.1f}{cells}")
    peak = results[-1]["peak_memory_bytes"]
    print(
        f"{config.frames} frames of 540x800, {results[0]['threads']} thread(s), {results[0]['backend']}"
        + (f"; peak memory of this process {peak / 1e6:.0f} MB" if peak else "")
    )
    print(_condition_text(results[-1]["after"]))
    return 0


def _condition_text(after: dict[str, Any]) -> str:
    """The state of the device after a measurement, and whether it spoils the figures."""
    clock, temperature = after["frequency_mhz"], after["temperature_c"]
    shown = [
        "clock unknown" if clock is None else f"clock {clock:.0f} MHz",
        "temperature unknown" if temperature is None else f"{temperature:.1f} degrees C",
    ]
    wrong = throttling_text(after["throttled"])
    return f"{device_text(fingerprint())}; {', '.join(shown)}" + (
        f"\nNot this device's true speed: {wrong}. See docs/devices.md, How fast?" if wrong else ""
    )


def info(args: argparse.Namespace) -> int:
    """Print what a model's manifest and the device say."""
    segmenter = Segmenter.load(args.model, trusted_keys=args.trusted_keys)
    manifest, device = segmenter.manifest, fingerprint()
    if args.json:
        trust = {"signed_by": segmenter.signed_by, "canary": segmenter.has_canary}
        print(json.dumps({"manifest": manifest.to_json(), "device": device, "backend": segmenter.backend, **trust}))
        return 0
    source = manifest.calibration
    shown = {
        "model": f"{manifest.name} ({manifest.model_bytes / 1e6:.2f} MB, sha256 {manifest.model_sha256[:16]}...)",
        "input": f"{manifest.input.dtype} {manifest.input.shape}, from grey frames of any size",
        "output": f"{manifest.output.dtype} {manifest.output.shape}, logits; head above {manifest.threshold}",
        "calibrated on": f"{source.get('title', 'nothing')} ({source.get('count', 0)} images)",
        "signature": _signature_text(segmenter, args.model or DEFAULT_MODEL),
        "canary": "passed" if segmenter.has_canary else "absent: the manifest has no golden outputs, an older export",
        "backend": f"{segmenter.backend} {device['tools'].get(segmenter.backend, '')}",
        "device": f"{device_text(device)}, {device['os']}",
        "python": f"{device['tools']['python']}, numpy {device['tools'].get('numpy')}",
        "for": manifest.intended_use,
        "limits": manifest.limits,
    }
    for key, value in shown.items():
        print(f"{key + ':':<15}{value}")
    return 0


def _signature_text(segmenter: Segmenter, model: Path) -> str:
    if segmenter.signed_by is not None:
        return f"by the trusted key {segmenter.signed_by}"
    claimed = signer_id(model)
    return f"claims key {claimed}, not checked (give --trusted-key)" if claimed else "none"


def verify(args: argparse.Namespace) -> int:
    """Check a model as far as this device can: hash, contract, a deterministic and finite inference."""
    path = args.model or DEFAULT_MODEL
    segmenter = Segmenter.load(path, backend=args.backend, trusted_keys=args.trusted_keys)
    frame = synthetic_frame()
    first, second = segmenter.logits(frame), segmenter.logits(frame)
    if not np.isfinite(first).all() or not np.array_equal(first, second):
        raise FetalHeadError(
            f"{path}: two runs on one frame differ or are not finite. This device or backend is broken."
        )
    if first.min() == first.max():
        raise FetalHeadError(f"{path}: the output is constant ({first.min()}). This device or backend is broken.")
    golden = segmenter.check_golden()
    if golden and not golden.holds:
        raise FetalHeadError(
            f"{path}: on the golden frames its masks have a Dice of {golden.mask_dice:.4f} with those of the export; "
            f"{LEAST_DICE} is needed. Do not use this model here with {segmenter.backend}."
        )
    done = {
        "model": segmenter.manifest.name,
        "sha256": segmenter.manifest.model_sha256,
        "backend": segmenter.backend,
        "signed_by": segmenter.signed_by,
    }
    if args.json:
        print(json.dumps({**done, "ok": True, "golden": golden and asdict(golden)}))
    else:
        signed = f"signature (key {segmenter.signed_by}), " if segmenter.signed_by else ""
        print(f"{done['model']}: {signed}hash, tensors and a repeated inference are right ({done['backend']}).")
        print(_golden_text(golden))
    return 0


def _golden_text(golden: Golden | None) -> str:
    if golden is None:
        return "Its manifest has no golden outputs: an older export."
    if golden.n_identical == golden.n_frames:
        return f"All {golden.n_frames} golden outputs are, byte for byte, those of the export."
    return (
        f"{golden.n_identical} of {golden.n_frames} golden outputs are, byte for byte, those of the export; "
        f"the masks agree to a Dice of {golden.mask_dice:.5f} ({LEAST_DICE} is needed)."
    )
