"""`llm`, the command of others that is most like `chat`: installed from PyPI, in its own place."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.comparison import Meaningless

VERSION = "0.36"
HOME = Path(__file__).parent / ".llm"  # git does not look at it


def command() -> str:
    """Return the path of `llm`, installed if need be; raises Meaningless where it cannot be."""
    program = HOME / "bin" / "llm"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        pip = [str(HOME / "bin" / "pip"), "install", "-q", f"llm=={VERSION}"]
        if subprocess.run(pip, check=False, capture_output=True).returncode:
            raise Meaningless(f"llm {VERSION} cannot be installed here")
    return str(program)


def environment(home: Path, url: str, model: str) -> Mapping[str, str]:
    """Return what makes it ask the model server at `url`, with its log in `home`."""
    settings = f"- model_id: {model}\n  model_name: {model}\n  api_base: {url}\n"
    (home / "extra-openai-models.yaml").write_text(settings, "utf-8")
    return {"LLM_USER_PATH": str(home), "OPENAI_API_KEY": "none", "HOME": str(home)}
