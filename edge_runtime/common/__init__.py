"""What every stage uses: command-line options and errors, files, records, logs, optional packages."""
