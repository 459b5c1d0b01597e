"""How the site is built: ``sphinx-build -W --keep-going examples/docs site``."""

import sys
import warnings
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# The host's advice on tuning, which the pages give once.
warnings.filterwarnings("ignore", message="No config file found", category=UserWarning)

project = "lw_rl"
author = "The lw_rl developers"
copyright = author
version = release = version_of("lw-rl")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_click",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.json", "gallery/*.md5"]
default_role = "py:obj"

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "..",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "nested_sections": False,
    "within_subsection_order": "gallery_order.GalleryOrder",
    "download_all_examples": False,
    "show_memory": False,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "parallel": 2,
    "remove_config_comments": True,
}

html_theme = "sphinx_book_theme"
html_title = f"lw_rl {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],
}
html_sourcelink_suffix = ""
html_show_sourcelink = False

# Publishers answer programs with a refusal.
linkcheck_ignore = [r"https://doi\.org/.*", r"https://ui\.adsabs\.harvard\.edu/.*"]


def from_markdown(app, what, name, obj, options, lines):
    """Turn gymnasium's way of documenting environments, in Markdown, into reStructuredText."""
    if not any(line.startswith("## ") for line in lines):
        return
    converted, in_table = [], False
    for line in lines:
        if line.startswith("## "):
            line = f"**{line[3:]}**"
        elif line.startswith("|") and not in_table:
            converted += ["::", ""]
        in_table = line.startswith("|")
        converted.append(f"    {line}" if in_table else line)
    lines[:] = converted


def setup(app):
    """Before numpydoc, which has the default priority."""
    app.connect("autodoc-process-docstring", from_markdown, priority=100)
