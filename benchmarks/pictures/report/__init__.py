"""Pictures of the report, readable on a phone, light and dark."""
