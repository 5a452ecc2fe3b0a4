"""The settings of Sphinx: ``make docs`` builds into ``docs/_build/html``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import flask_core_auth

project = "flask-core-auth"
author = "the flask-core-auth authors"
copyright = author  # noqa: A001  # Sphinx prescribes the name
release = version = flask_core_auth.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "myst_parser",
    "pallets_sphinx_themes",
    "page_sources",
    "setting_reference",
]
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
# Show defaults as source code: their values may come from the environment of this machine.
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

myst_enable_extensions = ["colon_fence", "deflist", "html_image"]
myst_heading_anchors = 3

# Every cross-reference must resolve, except references to the documentation of other projects.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(flask|werkzeug|collections|joserfc|httpx2|t|flask_core_auth\.client\.options)\..*"),
    (r"py:class", r"Config|Flask|Document|Mapping\[str|flask_core_auth\..*\.(View|Verifier)T"),
    (r"py:class", r"flask_core_auth\.rejections\.Reason"),
]

# Typographic quotes would change code and messages.
smartquotes = False

html_theme = "flask"
html_title = "flask-core-auth"
html_show_copyright = False
html_show_sourcelink = False
html_sidebars = {"**": ["localtoc.html", "relations.html", "searchbox.html"]}
# The banner would make the reader's browser ask a package index for the newest version.
version_banner = False
