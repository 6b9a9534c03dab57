"""Attacks on the runtime from a seed: ``python -m benchmarks fuzz``.

``rig`` holds what a case works on and what every result must satisfy. ``frames``, ``artifacts`` and ``files`` make the
cases. ``campaign`` runs them in separate processes, so that a crash is a finding and does not end the campaign.

``tests/helpers/tiny_model.py`` makes ``tiny-full_int8.tflite``, the network of most cases. It is a single convolution,
so hundreds of cases a second can test the code around it.
"""
