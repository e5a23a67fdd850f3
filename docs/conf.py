"""The documentation site: Markdown pages, and a reference made from the code. ``make docs``."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
import generated

project = "Evensweep"
copyright = "the Evensweep authors"
version = release = installed("evensweep")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
# The notebook is run by a test, which takes a minute.
nb_execution_mode = "off"
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
# A reference to a public name that doesn't exist is an error. Those of other packages can't be
# looked up, since the site is built without a network, and modules of ours are no public names.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!evensweep\.).*|evensweep\.[a-z]+\..*")]

html_theme = "pydata_sphinx_theme"
html_title = f"Evensweep {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

_GENERATED = {
    "command-line": generated.command_line,
    "sweep-file": generated.sweep_file_keys,
}
"""Pages that end with what the code says."""


def _complete(app: Sphinx, page: str, source: list[str]) -> None:
    if page in _GENERATED:
        source[0] += "\n" + _GENERATED[page]()


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _complete)
