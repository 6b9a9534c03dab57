"""What every stage of the project uses: errors' way out, files, optional packages, logs."""
