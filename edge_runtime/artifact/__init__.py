"""Which models may run: manifest, seal, signature, network, golden outputs, canary."""
