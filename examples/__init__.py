"""Programs built on the runtime, to copy from. They run from the source tree, and are not in the wheel."""
