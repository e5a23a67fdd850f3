"""What the side-by-side benchmark consists of: rows, processes, their meter, figures, page."""
