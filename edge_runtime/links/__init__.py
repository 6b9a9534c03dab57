"""To other machines: DICOM files to a hospital's archive (PACS)."""
