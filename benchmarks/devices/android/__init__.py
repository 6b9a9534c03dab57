"""Measuring on an Android phone over adb, with LiteRT's ``benchmark_model``."""
