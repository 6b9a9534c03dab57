"""Links to other programs and machines: OpenIGTLink, and a hospital's archive (PACS)."""
