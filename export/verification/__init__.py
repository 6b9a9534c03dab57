"""Whether an artifact answers as torch does, and how well."""
