"""From logits to the head: its region, outline, mask and ellipse."""
