"""One module for each engine: it converts the network, and runs it.

These modules are imported in the engine's own environment, which has numpy and the engine. Each has two functions:
``convert(source, precision, target)`` and ``load(source, target, threads)``, see :mod:`benchmarks.peers.worker`.
"""
