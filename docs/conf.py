"""How the documentation is built: python -m sphinx -W -b html docs docs/_build/html (extra docs)."""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import jupytext

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the lessons' matrices are small
kernels_path = [str(ROOT), os.environ.get("PYTHONPATH", "")]  # for the kernels that run them
os.environ["PYTHONPATH"] = os.pathsep.join(kernels_path)
sys.path.insert(0, str(DOCS))
import pictures  # noqa: E402 (found on the path above)

import tinygrad_nlp  # noqa: E402 (found on the path above)

project, author, copyright = "tinygrad_nlp", "The tinygrad_nlp developers", "2026, the tinygrad_nlp developers"
version = release = tinygrad_nlp.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_title = "tinygrad_nlp"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_mock_imports = [peer for peer in ("torch", "jax") if importlib.util.find_spec(peer) is None]
autodoc_default_options = {"members": True, "show-inheritance": False}

# The lessons are scripts in examples/lessons; here they are notebooks, executed when the site is built.
nb_execution_mode = "auto"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True
LESSONS = DOCS / "lessons"
KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
shutil.rmtree(LESSONS, ignore_errors=True)
LESSONS.mkdir()
for path in sorted((ROOT / "examples" / "lessons").glob("[0-9]*.py")):
    source = path.read_text(encoding="utf-8")
    docstring = re.match(r'"""(.*?)"""\n', source, re.S)
    assert docstring, f"{path} has no docstring"
    title, _, text = docstring[1].partition("\n")
    number = path.name.partition("_")[0].lstrip("0") or "0"
    quoted = "\n".join(f"# {line}".rstrip() for line in [f"# {number}. {title}", *text.strip().splitlines()])
    code = source[docstring.end() :].strip("\n")
    notebook = jupytext.reads(f"# %% [markdown]\n{quoted}\n\n# %%\n{code}\n", fmt="py:percent")
    notebook.metadata |= KERNEL
    jupytext.write(notebook, LESSONS / f"{path.stem}.ipynb")
pictures.draw(DOCS / "_pictures")


def as_rst(app, what, name, obj, options, lines):
    """Our docstrings are plain text: indented blocks become literal blocks, and signs of the trade stay signs."""
    made, literal = [], False
    for line in lines:
        indented = line.startswith("    ") and line.strip()
        if indented and not literal and (not made or not made[-1].strip()) and not line.lstrip().startswith(">>>"):
            made += [".. code-block:: text", ""]
        literal = bool(indented) or (literal and not line.strip())
        made.append(line if literal or line.startswith((">>>", "...")) else re.sub(r"(?<!`)([*|])(?!`)", r"\\\1", line))
    lines[:] = made


def setup(app):
    app.connect("autodoc-process-docstring", as_rst, priority=400)  # before napoleon
