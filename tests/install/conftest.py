# SPDX-License-Identifier: Apache-2.0
"""What stands on a host after `meson install`, and freshet as it was installed."""

import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FRESHET", TOP / "build" / "freshet")).parent


class Installed:
    def __init__(self, root):
        self.root = root
        self.prefix = root / "usr/local"
        self.freshet = self.prefix / "bin/freshet"

    def files(self):
        return {str(p.relative_to(self.prefix)) for p in self.root.rglob("*") if not p.is_dir()}

    def help(self, *command):
        result = subprocess.run([self.freshet, *command, "--help"], stdout=subprocess.PIPE, text=True, check=True)
        return result.stdout

    def commands(self):
        lines = self.help().splitlines()
        return [line.split()[0] for line in lines if line.startswith("  ")]


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    command = ["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root]
    subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return Installed(root)
