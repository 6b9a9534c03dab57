"""Ultrasound images and clips in DICOM files (the extra ``dicom``): their frames, tissue regions and pixel sizes."""
