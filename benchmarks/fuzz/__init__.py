"""Seeded abuse of the runtime: ``python -m benchmarks fuzz``.

``rig`` is what a case works on and what no result may violate; ``frames``, ``artifacts``, ``files`` make the cases;
``campaign`` runs them, in processes of their own, so that a crash is a finding and not the end.

``tiny-full_int8.tflite``, the network of most cases, is what ``tests/helpers/tiny_model.py`` makes: one convolution, so
that hundreds of cases a second are about the code around it.
"""
