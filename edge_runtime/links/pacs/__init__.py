"""Files to a hospital's archive (PACS), by way of a folder in which nothing gets lost."""
