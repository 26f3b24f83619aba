"""A page in Chromium, without a window: run a script in it, and take what it says, as JSON."""

import json
import re
import shutil
import subprocess
import tempfile
from html import escape, unescape
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
SWITCHES += ["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"]
SWITCHES += ["--virtual-time-budget=20000"]
LEAST = 500  # the narrowest window
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"  # for the browser's own errands
ASK = Path(__file__).with_name("ask.js").read_text(encoding="utf-8")
END = """<script>
{ask}
addEventListener("load", () => {{
  const out = document.createElement("pre")
  out.id = "answer"
  out.textContent = JSON.stringify({script})
  parent.document.body.append(out)
}})
</script></html>"""


def ask(page, script, *switches, width=1280, picture=None, also=None):
    """What an expression, in the functions of ask.js, is at the end of the page; fails on a message to the console.

    A narrow page is shown in a frame, because a window has a least width. With `also`, a pair: that answer, and what
    the element of this id holds when the page has had its twenty (virtual) seconds.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "page.html"
        whole = page.replace("</html>", END.format(ask=ASK, script=script))
        if width < LEAST:
            whole = (
                f'<!doctype html><iframe width={width} height=900 style="border: 0" srcdoc="{escape(whole)}"></iframe>'
            )
        path.write_text(whole, encoding="utf-8")
        how = [f"--screenshot={picture}"] if picture else ["--dump-dom"]
        profile, window = f"--user-data-dir={folder}/profile", f"--window-size={max(width, LEAST)},900"
        command = [CHROMIUM, *SWITCHES, OFFLINE, profile, window, *switches, *how, path.as_uri()]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    ids = ["answer"] if also is None else ["answer", also]
    said = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    assert not said, said
    if picture:
        return None
    answers = [
        json.loads(unescape(re.search(rf'<pre id="{key}">(.*?)</pre>', run.stdout, re.DOTALL)[1])) for key in ids
    ]
    return answers if also else answers[0]
