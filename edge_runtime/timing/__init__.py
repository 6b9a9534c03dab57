"""How fast a model runs on this computer."""
