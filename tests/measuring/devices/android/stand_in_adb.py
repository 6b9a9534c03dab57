#!/usr/bin/env python3
"""A stand-in for adb: its phone is a folder of this machine, in which a shell really runs what is sent.

``$PHONE`` is the folder. ``devices.txt`` in it is what ``adb devices`` lists, ``fate.txt`` how the connection ends:
``lost:WORD`` and ``cut:WORD`` at the first command that contains the word, ``full`` at the first push. What is sent is
kept in ``sent.txt``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PHONE = Path(os.environ["PHONE"])


def main() -> int:
    words = sys.argv[1:]
    if words == ["devices"]:
        print("List of devices attached\n" + (PHONE / "devices.txt").read_text())
        return 0
    if words[0] != "-s":
        print("adb: usage", file=sys.stderr)
        return 1
    command, rest = words[2], words[3:]
    with (PHONE / "sent.txt").open("a") as file:
        print(command, *rest, file=file)
    fate, _, word = (PHONE / "fate.txt").read_text().strip().partition(":")
    if fate == "lost" and word in " ".join(rest):
        print(f"adb: device '{words[1]}' not found", file=sys.stderr)
        return 1
    if command == "push":
        if fate == "full":
            print(
                f"adb: error: failed to copy '{rest[0]}' to '{rest[1]}': remote No space left on device",
                file=sys.stderr,
            )
            return 1
        shutil.copyfile(rest[0], _here(rest[1]))
        return 0
    environment = {**os.environ, "PATH": f"{PHONE}/bin:{os.environ['PATH']}"}
    text = subprocess.run(["sh", "-c", _here(rest[0])], capture_output=True, text=True, env=environment).stdout
    if fate == "cut" and word in rest[0]:
        text = text[: len(text) // 2]
    sys.stdout.write(text.replace("\n", "\r\n"))  # as old phones end lines
    return 0


def _here(text: str) -> str:
    return text.replace("/data/local/tmp", f"{PHONE}/tmp")


if __name__ == "__main__":
    sys.exit(main())
