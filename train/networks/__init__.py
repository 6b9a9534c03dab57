"""The networks that are not those of segmentation-models-pytorch as they are."""
