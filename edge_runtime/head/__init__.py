"""From logits to the head: region, outline, mask, ellipse."""
