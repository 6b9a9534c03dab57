"""The commands that measure int8 and the runtime: they parse, call, print and write."""
