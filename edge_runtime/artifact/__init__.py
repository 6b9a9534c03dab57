"""What may run: manifest, seal, signature, network, golden outputs."""
