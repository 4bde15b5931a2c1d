"""A JupyterHub behind its own proxy, on this machine only, with one user whose server has our extension."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labs import HOUSE, START_S, Lab, environment
from servers import free_ports

USER, PASSWORD, PREFIX = "ann", "hub-tests", "/hubx/"
# The user's server is a process of ours: what it gets is what a Lab of these tests gets, and nothing more is said.
CONFIG = """
import os
c.JupyterHub.bind_url = "http://127.0.0.1:{port}{prefix}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{node!r}, {proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.environment = {environment!r}
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.notebook_dir = {root!r}
c.Spawner.default_url = "/lab"
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
                  "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                  '--ServerApp.jpserver_extensions={{"jupyterlab": True, "migrator.server": True}}']
"""


def proxy() -> Path | None:
    """The hub's proxy, of npm."""
    found = Path(
        os.environ.get("CONFIGURABLE_HTTP_PROXY") or HOUSE / ".venv/hub/node_modules/.bin/configurable-http-proxy"
    )
    return found if found.exists() else None


def missing() -> str:
    """What is to be installed first; nothing when all is there."""
    wanted = []
    if importlib.util.find_spec("jupyterhub") is None:
        wanted.append("pip install jupyterhub")
    if proxy() is None:
        wanted.append("npm install --prefix .venv/hub configurable-http-proxy")
    return f"JupyterHub and its proxy are not there: {'; '.join(wanted)}" if wanted else ""


@contextmanager
def running_hub(folder: Path) -> Iterator[Lab]:
    """The hub; ``url`` is its user's server, which starts when somebody logs in."""
    ports = free_ports(3)
    for name in ("notebooks", "share/labextensions", "hub"):
        (folder / name).mkdir(parents=True)
    (folder / "share" / "labextensions" / "jupyter-migrator").symlink_to(HOUSE / "widgets" / "labextension")
    told = environment(folder)
    kept = (
        "PYTHONPATH",
        "HOME",
        "PATH",
        *(name for name in told if name.startswith(("JUPYTER", "IPYTHON", "MIGRATOR"))),
    )
    (folder / "hub" / "config.py").write_text(
        CONFIG.format(
            port=ports[0], hub=ports[1], api=ports[2], prefix=PREFIX, node="node", proxy=str(proxy()),
            password=PASSWORD, home=told["HOME"], environment={name: told[name] for name in kept},
            python=sys.executable, root=str(folder / "notebooks"),
        )
    )  # fmt: skip
    url = f"http://127.0.0.1:{ports[0]}{PREFIX}"
    with (folder / "hub" / "log").open("wb") as log:
        command = [sys.executable, "-m", "jupyterhub", "--config", str(folder / "hub" / "config.py")]
        hub = subprocess.Popen(command, cwd=folder / "hub", env=told, stdout=log, stderr=subprocess.STDOUT)
        try:
            _await(f"{url}hub/api/", hub, folder / "hub" / "log")
            yield Lab(f"{url}user/{USER}/", folder / "notebooks", folder, hub.pid)
        finally:
            hub.terminate()  # it ends its users' servers and its proxy
            hub.wait(60)


def _await(url: str, hub: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert hub.poll() is None, log.read_text()[-3000:]
        try:
            opener.open(url, timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("JupyterHub did not start: " + log.read_text()[-3000:])
