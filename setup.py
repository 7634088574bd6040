"""What pyproject.toml cannot say: the address of the repository, which is known to who publishes.

    BORT_CONVERT_URL=https://github.com/OWNER/bort-convert python -m build

On a package index README's links to files of the repository lead nowhere, unless they are whole.
"""

import os
import re
from pathlib import Path

from setuptools import setup

readme = Path(__file__).with_name("README.md").read_text("utf-8")
urls = {}
if url := os.environ.get("BORT_CONVERT_URL", "").rstrip("/"):
    files = f"{url}/blob/main/"
    readme = re.sub(r"\]\((?!https?:|#)", f"]({files}", readme)
    readme = re.sub(r'(src|srcset)="(?!https?:)', rf'\1="{url}/raw/main/', readme)
    readme = re.sub(r"(!\[[^]]*\]\()" + re.escape(files), rf"\1{url}/raw/main/", readme)
    urls = {"Homepage": url, "Documentation": f"{files}docs/index.md", "Issues": f"{url}/issues"}
    urls["Changelog"] = f"{files}CHANGELOG.md"
setup(long_description=readme, long_description_content_type="text/markdown", project_urls=urls)
