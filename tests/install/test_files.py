# SPDX-License-Identifier: Apache-2.0
"""`meson install` puts each thing in its place, and nothing else."""

import re
import subprocess

from conftest import BUILD, TOP

DOC = "share/doc/freshet"
UNITS = (".automount", ".mount", ".path", ".service", ".slice", ".socket", ".target", ".timer")


def names(directory, pattern="*"):
    return [p.name for p in (TOP / directory).glob(pattern)]


def expected():
    yield "bin/freshet"
    if (BUILD / "freshet-parquet").exists():
        yield "libexec/freshet-parquet"
    yield from (f"share/man/{page}" for page in ("man1/freshet.1", "man5/freshet.ini.5", "man5/freshet-mount.5"))
    yield "share/bash-completion/completions/freshet"
    yield "share/zsh/site-functions/_freshet"
    yield f"{DOC}/README.md"
    yield f"{DOC}/examples/ads/freshet.ini"
    yield from (f"{DOC}/examples/{feed}/{name}" for feed in ("delta-lake", "spark-minio") for name in ("README.md", "freshet.ini"))
    yield from (f"{DOC}/docs/{name}" for name in (*names("docs", "*.md"), *names("docs", "*.png")))
    for tool in ("grafana", "prometheus"):
        yield from (f"{DOC}/examples/{tool}/{name}" for name in names(f"examples/{tool}"))
    for name in names("examples/systemd"):
        yield f"lib/systemd/system/{name}" if name.endswith(UNITS) else f"{DOC}/examples/systemd/{name}"


def test_each_file_is_in_its_place(installed):
    assert installed.files() == set(expected())


def test_units_run_the_freshet_that_is_installed_with_them(installed):
    units = (installed.prefix / "lib/systemd/system").glob("*")
    run = [program for unit in units for program in re.findall(r"^Exec\w+=(\S*/freshet) ", unit.read_text(), re.M)]
    assert set(run) <= {"/usr/local/bin/freshet"}


def test_links_of_installed_pages_lead_somewhere(installed):
    pages = list((installed.prefix / DOC).rglob("*.md"))
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+\.md)[)#]", page.read_text())]
    assert len(links) > 10
    assert not [(page, link) for page, link in links if not (page.parent / link).is_file()]


def test_the_debian_package_has_the_version_of_freshet(installed):
    said = subprocess.run([installed.freshet, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    newest = (TOP / "debian/changelog").read_text().splitlines()[0]
    assert re.match(r"freshet \(([^)]+)\) ", newest)[1] == said.split()[1]
