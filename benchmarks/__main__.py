"""``python -m benchmarks``: the suite, the training study, the cost of int8, and the pages made of the results."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module

from edge_runtime.common.arguments import CommandParser, add_help
from edge_runtime.common.cli import run_command

_NOTES = """Each command has its own --help.
exit codes: 0 done, 1 an artifact or a result file could not be used, 2 the call was wrong

Research use only; not a medical device."""


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        module: In this package; its ``add_arguments`` adds them to a parser. It is imported for this command alone: to
            import those of all takes a second.
        summary: One line for ``python -m benchmarks --help``.
        description: One paragraph for its own ``--help``.
        examples: What to type after ``python -m benchmarks``.
    """

    module: str
    summary: str
    description: str
    examples: tuple[str, ...]


COMMANDS: dict[str, Command] = {
    "run": Command(
        "suite.run",
        "measure artifacts and write one JSON document",
        "Measure artifacts on this machine: latency, memory, size and accuracy, and energy where the device can tell. "
        "Latency is measured in alternating rounds, each in a fresh process. Use quick to try things out, official for "
        "figures to publish, and sustained to see whether the device throttles. An artifact that fails is reported, "
        "the others are still measured, and the exit code is 1.",
        (
            "run",
            "run --data phantom --frames 20 --images 10",
            "run artifacts/edge-m --mode official --out edge.json",
            "run edge_runtime/models --frame-set benchmarks/frames/phantom.frames",
            "run artifacts/edge-m --mode sustained --minutes 10",
        ),
    ),
    "device": Command(
        "devices.command",
        "measure on another machine over ssh, and bring the result back",
        "Measure artifacts on a Raspberry Pi or another Linux board, from here. Over the system's ssh, with its "
        "config, agent and known hosts, the command sends the wheel, the benchmarks, artifacts and frames, makes a "
        "virtual environment in a folder of its own, does what run does, shows its progress, brings the JSON document "
        "back, and removes the folder. A password is asked for once. The device needs 64-bit Linux, Python 3.10 or "
        "newer with venv, and a network, or --offline. The run does not depend on the connection: if that is lost, the "
        "command connects again, and if it is called again, it follows the run or takes its result.",
        (
            "device pi@scanner.local",
            "device pi@scanner.local --mode official --out pi.json",
            "device pi@scanner.local artifacts/edge-m --frame-set hc18.frames --offline",
            "device board --port 2222 --ssh-option IdentityFile=board.key --mode sustained --keep",
            "device root@localhost --adb",
            "device pi@scanner.local --discard",
        ),
    ),
    "phone": Command(
        "devices.phone.command",
        "measure in a phone's browser, from a page on the local network",
        "Serve a page on the local network, and show its address as text and as a QR code. A phone that opens it runs "
        "the artifacts with LiteRT.js on its CPU, shows frame, outline and circumference, and times the network alone. "
        "Its outputs are compared with Python's and scored here. Each phone's result is a JSON document as run writes "
        "it. A phone that loses the Wi-Fi, or whose page is closed, goes on when it is back. LiteRT.js is fetched with "
        "npm, once; the QR code needs segno.",
        (
            "phone",
            "phone artifacts/edge-m --mode official --phones 2",
            "phone --frame-set hc18.frames --port 8020 --litert litertjs",
        ),
    ),
    "android": Command(
        "devices.android.command",
        "measure the network on an Android phone over adb",
        "Time models on a phone over adb with LiteRT's benchmark_model, which you supply: in each round every model "
        "once, in a fresh process. The command sends the tool and the models, says how warm the phone became, brings "
        "one JSON document back, and removes what it sent. The tool runs the network alone, on random values: nothing "
        "else is measured. For whole frames and accuracy on a phone, use device --adb, in Termux.",
        (
            "android --tool benchmark_model",
            "android --tool benchmark_model --serial R5CT1234 --threads 4 --out phone.json",
            "android edge_runtime/models/edge-m-full_int8.tflite --tool benchmark_model --rounds 5 --seconds 20",
        ),
    ),
    "pack": Command(
        "frames.pack",
        "pack frames and references in one file for a device",
        "Write the frames of a test part, with their references, pixel sizes and hashes, into one file. A device "
        "measures accuracy on it with run --frame-set FILE, without the data set, torch or Pillow. The file of HC18 "
        "holds its images: copy it to your device, and do not publish it. The phantom's is in the repository: "
        "benchmarks/frames/phantom.frames.",
        ("pack --out hc18.frames", "pack --data phantom --images 4 --out few.frames"),
    ),
    "report": Command(
        "pages.report.command",
        "turn results into Markdown and HTML pages",
        "Turn any results of run, of one device or several, into report.md and report.html. The HTML file loads "
        "nothing and can be sent alone. Figures stand in one table only if they were measured alike: times on the same "
        "frames and threads, scores on the same images. What was not measured is named, and each table's conditions "
        "are one click away. A page that shows HC18 images says so: do not publish it. Without a file, the newest "
        "result is shown, and the study's results become results.md and results.html.",
        ("report", "report pi5.json phone.json laptop.json", "report edge.json --data phantom --out reports"),
    ),
    "compare": Command(
        "suite.compare",
        "compare two results, with a verdict for each figure",
        "Say of each figure of two results whether it is faster, slower, better or worse, or whether no difference is "
        "shown. A time, memory, energy or size must differ by the margin, and its 95% interval over rounds must leave "
        "no difference out; a score is compared image by image, and must differ by 0.1 points of Dice, 0.1 mm or 1% of "
        "refusals. Times of other machines, threads or frames, and scores of other images, are shown and not "
        "compared. The exit code is 1 if B is worse in a figure other than a single step's, if it lacks an artifact "
        "that A measured, or if nothing could be compared; else 0.",
        ("compare old.json new.json", "compare old.json new.json --margin 10 --out verdicts.json"),
    ),
    "study": Command(
        "study.command",
        "train and export every network of docs/results.md",
        "Train the networks of the study, export them, and write one result file for each. What is already done is "
        "skipped, and an interrupted training goes on. A run that fails is reported, the others are still done, and "
        "the exit code is 1.",
        ("study --list", "study --jobs 4", "study --data phantom --epochs 1 --limit 4 --results try"),
    ),
    "train-speed": Command(
        "study.training_speed",
        "measure images per second of the training loop",
        "Measure how many images per second the training loop does, step by step from a plain loop to this project's.",
        ("train-speed --strategies edge --steps 2 --rounds 3",),
    ),
    "pareto": Command(
        "commands.pareto",
        "search for networks that are fast and accurate",
        "Train the networks of the search, quantize and score them, and write one result file for each. They are "
        "trained on four fifths of the images that do not judge, and scored on the fifth; the test part is not looked "
        "at. What is already done is skipped, and an interrupted training goes on. Ends with a table of speed and "
        "accuracy. --latency measures the speeds, on an idle machine.",
        ("pareto --list", "pareto --latency", "pareto --jobs 2 --minutes 60", "pareto --table"),
    ),
    "levers": Command(
        "commands.levers",
        "judge ways to train a small network by cross-validation",
        "Train the same network in several ways, each on the five folds of a cross-validation that leaves the test "
        "part out, and compare image by image with the base. What is already done is skipped, and an interrupted "
        "training goes on. Ends with a table.",
        ("levers --table", "levers base longer --jobs 2 --minutes 60"),
    ),
    "cross": Command(
        "cross.command",
        "score every image by networks that have not seen its exam",
        "Train each shipped size on each four fifths of the exams, export it to full int8, derive its own limits, and "
        "score the other fifth with the runtime: every image once. No outlines by networks are used, since those that "
        "drew them had seen exams of every fold. One result file for each fold; what is done is skipped, and an "
        "interrupted training goes on. Ends with tables by head size.",
        ("cross edge-s --jobs 2", "cross edge-s --epochs 20 --results folds", "cross --table", "cross --worst reports"),
    ),
    "seeds": Command(
        "cross.seeds",
        "train the shipped sizes with other seeds, to see how far chance goes",
        "Train the sizes that are shipped after one stage of training (edge-s and edge-m) as they were, each with "
        "several seeds, export them to full int8, derive their own limits, and score them with the runtime. Seed 0 is "
        "the shipped one's. What is done is skipped, and an interrupted training goes on. Ends with a table.",
        ("seeds --jobs 2", "seeds edge-s --seeds 0 1 2 --minutes 60", "seeds --table"),
    ),
    "sizes": Command(
        "commands.sizes",
        "show the shipped sizes against their goals",
        "Print speed, accuracy, size and the cost of int8 of edge-s, edge-m and edge-l, each beside its goal, from "
        "result files. --time measures their speed on this machine.",
        ("sizes", "sizes --time --out speeds.json"),
    ),
    "operators": Command(
        "commands.operators",
        "measure where a model's time goes, operator by operator",
        "Time each operator of a model alone, beside the whole model and a large matrix product in the same "
        "arithmetic.",
        ("operators artifacts/edge-m/edge-m-full_int8.tflite",),
    ),
    "predict": Command(
        "commands.predict",
        "predict the cost of int8 models on three ARM cores",
        "Predict what a full-int8 model costs on devices nobody here has: multiplications, bytes moved, operators "
        "outside XNNPACK, and milliseconds on one thread of a Cortex-A53, A72 and A76 (Raspberry Pi 3B+, 4 and 5). "
        "Nothing is measured. The uncertainty is that of known networks against published measurements.",
        (
            "predict edge_runtime/models",
            "predict artifacts --out predicted.json",
            "predict --operators edge_runtime/models/edge-m-full_int8.tflite",
            "predict --published",
        ),
    ),
    "peers": Command(
        "commands.peers",
        "compare with the engines that a user would pick instead",
        "Run the shipped weights in LiteRT (pinned and newest), ONNX Runtime, OpenVINO, ncnn, ExecuTorch with XNNPACK "
        "and torch, in float32 and int8. Each engine runs in a virtual environment that the command makes and keeps. "
        "int8 is calibrated on the same images, all are judged on the same test images, and timed in turns: in each "
        "round every engine once, in a fresh process, on as many cores as threads. An engine that cannot be installed "
        "or cannot run the network costs its row, with the reason.",
        (
            "peers",
            "peers --model edge-m --threads 1 --out peers.json",
            "peers --model edge-m --engines litert-newest openvino --rounds 0 --images 10",
            "peers --checkpoint runs/decoder-all --rewrite none",
        ),
    ),
    "interpreters": Command(
        "commands.interpreters",
        "compare tflite-runtime's answers with ai-edge-litert's",
        "Run int8 artifacts on the same images in ai-edge-litert and in tflite-runtime, and compare masks and "
        "head circumferences. Both must be installed.",
        ("interpreters artifacts/edge-m --images 20",),
    ),
    "overhead": Command(
        "commands.overhead",
        "measure what the runtime costs around the network",
        "Time what the runtime does around the network, step by step, and a fresh process from its first import to its "
        "result. The shipped model is measured first, then those given. All take the shipped model's output, resized "
        "to their own size, because a network with untrained weights finds no head.",
        ("overhead", "overhead artifacts/edge-m/edge-m-float32.tflite --data phantom --rounds 20"),
    ),
    "ladder": Command(
        "commands.ladder",
        "measure what each way of quantizing a network costs",
        "Export a checkpoint in full int8 into a temporary folder, and keep what each way of quantizing cost, up to "
        "the first that is within the budget.",
        ("ladder checkpoints/edge-m --out ladder.json",),
    ),
    "rewrites": Command(
        "commands.rewrites",
        "measure which exact rewrites of the graph are faster here",
        "Time exact rewrites of a network's graph, in float32 and in full int8, against the network as it is. Export "
        "with the faster ones: python -m export --rewrite NAME. The exit code is 1 if one is not exact.",
        ("rewrites --strategy edge --rounds 60",),
    ),
    "export-cost": Command(
        "commands.export_cost",
        "measure time and memory of an export",
        "Export checkpoints in all recipes, as make export does, and measure the time and the memory of all its "
        "processes. Linux only.",
        ("export-cost checkpoints/edge-m --data phantom",),
    ),
    "fuzz": Command(
        "commands.fuzz",
        "attack the runtime with damaged and hostile input",
        "Give the runtime damaged and hostile frames, manifests, signatures, model files, image files and tables, all "
        "made from one seed. A case fails if the process crashes or hangs, if an unexpected error is raised, if numpy "
        "warns of an invalid number, if something changed is loaded, or if a sound frame then gets another answer. The "
        "exit code is 1 if a case fails.",
        ("fuzz --cases 1000", "fuzz --seed 3 --case 17"),
    ),
    "soak": Command(
        "commands.soak",
        "measure memory, latency and answers over many frames",
        "Run many frames of several sizes, some bad and some that raise, and watch memory, time and answers. The exit "
        "code is 1 if a frame ever gets another answer than in the first cycle.",
        ("soak --frames 1000", "soak --way stream --out soak.json --figure soak.svg", "soak --link 60"),
    ),
    "archive": Command(
        "commands.archive",
        "measure how many frames per second an archive does, by processes",
        "Make archives of a table of phantoms, one for each number of processes, and compare their frames per second "
        "with those of one process and with the model's own speed on frames in memory. All rows are counted, and "
        "memory is watched. The exit code is 1 if an image has no row, or more than one.",
        (
            "archive --frames 2000",
            "archive --frames 1000000 --processes 2 --kill --out million.json",
        ),
    ),
    "quality": Command(
        "commands.quality",
        "measure what is refused, and whether intervals hold",
        "Measure an artifact's limits, trust and interval on images they were not derived from, and on bad frames made "
        "of these.",
        ("quality", "quality --model artifacts/edge-m/edge-m-full_int8.tflite --out quality.json"),
    ),
    "outside": Command(
        "commands.outside",
        "say what is shown and refused of any folder of frames",
        "Run an artifact over the frames of other scanners and organs, and say by kind what was shown, what was "
        "refused and why, and where there are masks, how right the outlines are. A kind is a folder of images. Frames "
        "below a folder named heads, or with a mask NAME_mask.png beside NAME.png, show heads that are to be measured; "
        "frames below one named not_heads show none that can be. A file that cannot be read is listed, the others are "
        "still measured, and the exit code is 1.",
        (
            "outside ../shared/outside --report reports/outside.html",
            "outside frames --pixel-size-csv sizes.csv --limit 20 --out outside.json",
        ),
    ),
    "submission": Command(
        "challenge.command",
        "write the file that the HC18 challenge scores",
        "Measure the 335 test images of HC18, whose annotations are hidden, and write the ellipses as the challenge "
        "asks for them: one row for each image, in mm and radians. An image that is refused gets the ellipse that "
        "would not be shown, and is named with the reason. One without any ellipse gets zeros, and the exit code is 1.",
        ("submission --out submission.csv", "submission hc18 --model edge-s --out edge-s.csv"),
    ),
    "picture": Command(
        "pictures.phantom",
        "draw the shipped model's outline on a phantom",
        "Draw the picture of the README: the shipped model's outline on a phantom. An older picture is replaced.",
        ("picture",),
    ),
    "pages": Command(
        "pages.command",
        "write the pages in docs and the figures in README.md and MODEL_CARD.md",
        "Write the pages that are made from committed results: docs/results.md, docs/int8.md, docs/quality.md, and the "
        "figures in README.md and MODEL_CARD.md.",
        ("pages",),
    ),
}


def build_parser(asked: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; only the one that is asked for has its arguments, or all if none is."""
    parser: argparse.ArgumentParser = CommandParser(prog="python -m benchmarks")
    add_help(
        parser,
        "Measure artifacts on this machine: latency, memory, size, accuracy, and what a recipe costs.",
        "python -m benchmarks run",
        "python -m benchmarks run --data phantom --frames 20",
        "python -m benchmarks report",
        "python -m benchmarks compare old.json new.json",
        notes=_NOTES,
    )
    commands = parser.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.summary)
        if asked not in (None, name):
            continue
        add_help(added, command.description, *(f"python -m benchmarks {text}" for text in command.examples))
        import_module(f"benchmarks.{command.module}").add_arguments(added)
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns its exit code."""
    args = build_parser("".join(argv[:1])).parse_args(argv)
    code: int = args.action(args)
    return code


if __name__ == "__main__":
    run_command(main)
