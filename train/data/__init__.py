"""Images and their reference: HC18, the phantom, splits, scores. Free of torch."""
