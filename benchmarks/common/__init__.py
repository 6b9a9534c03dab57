"""What several rooms use: result files and the records in them, tables, and pages."""
