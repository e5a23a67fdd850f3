"""Run directory, metrics, ensemble selection, tables, figures and report."""
