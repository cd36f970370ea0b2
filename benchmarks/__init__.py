"""What publishing costs, measured by hand; README.md says how."""
