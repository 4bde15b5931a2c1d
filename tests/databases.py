"""Real database servers for the tests, on this machine only, on free ports, with data of their own.

They refuse to run as root; started by root they run as ``nobody``.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from servers import MEMORY, free_ports

USER, PASSWORD = "migrator", "s3cret-canary"
NOBODY = 65534
_numbers = itertools.count()


def postgresql_programs() -> Path | None:
    """The folder of PostgreSQL's programs: where Debian puts them, or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    beside = shutil.which("initdb")
    return found[-1].parent if found else Path(beside).resolve().parent if beside else None


def mariadb_programs() -> tuple[str, str] | None:
    """MariaDB's server, and what makes its data folder."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    server, maker = shutil.which("mariadbd", path=path), shutil.which("mariadb-install-db", path=path)
    return (server, maker) if server and maker else None


class Server:
    """A database server: ``fresh()`` gives the URL of a new, empty database."""

    admin = ""  # the database that is always there
    scheme = ""
    ends_on = signal.SIGTERM

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self.scheme}-", dir=MEMORY if Path(MEMORY).is_dir() else None))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_ports(1)[0]
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)

    def __enter__(self) -> Self:
        try:
            self._make_data()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"{self.scheme}://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """A new database of the server's own defaults; its URL."""
        name = f"state_{next(_numbers)}"
        self.execute(f"create database {name}")
        return self.url(name)

    def execute(self, statement: str, database: str | None = None) -> Any:
        """One statement by the administrator, outside of any transaction; its rows, if it has any."""
        engine = sa.create_engine(self._driven(self.url(database or self.admin)), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                done = connection.exec_driver_sql(statement)
                return done.all() if done.returns_rows else None
        finally:
            engine.dispose()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = self._popen(self._command(), stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not self.answers():
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.1)

    def stop(self, number: int | None = None) -> None:
        """End it by a signal; by default the one on which it ends in order."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number or self.ends_on)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def answers(self) -> bool:
        try:
            self.execute("select 1")
        except sa.exc.OperationalError:
            return False
        return True

    def _make_data(self) -> None:
        raise NotImplementedError

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _driven(self, url: str) -> str:
        raise NotImplementedError

    def _popen(self, command: Sequence[str], **others: Any) -> subprocess.Popen[bytes]:
        if os.geteuid() == 0:
            others |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, cwd=self._folder, start_new_session=True, env=self._env(), **others
        )

    def _run(self, command: Sequence[str]) -> None:
        with (self._folder / "log").open("ab") as log:
            assert self._popen(command, stdout=log, stderr=log).wait(120) == 0, self._log()

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]


class PostgreSQL(Server):
    """PostgreSQL by the programs that are installed, without fsync: that is for power cuts, not for crashes."""

    admin, scheme = "postgres", "postgresql"
    ends_on = signal.SIGINT  # on SIGTERM it waits for its clients to go

    def stop_immediately(self) -> None:
        """What ``pg_ctl stop -m immediate`` does: as if it had crashed."""
        self.stop(signal.SIGQUIT)

    def _make_data(self) -> None:
        self._programs = postgresql_programs()
        assert self._programs, "PostgreSQL is not installed"
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run([
            str(self._programs / "initdb"), "-D", str(self._folder / "data"), "-U", USER, "-A", "scram-sha-256",
            f"--pwfile={password}", "-E", "UTF8", "--no-sync",
        ])  # fmt: skip

    def _command(self) -> Sequence[str]:
        return [
            str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-h", "127.0.0.1", "-p", str(self.port),
            "-k", str(self._folder), "-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
        ]  # fmt: skip

    def _driven(self, url: str) -> str:
        return url.replace("postgresql://", "postgresql+psycopg://")


class MariaDB(Server):
    """MariaDB with nobody's settings: its own defaults are latin1 and no difference between `a` and `A`."""

    admin, scheme = "mysql", "mariadb"

    def _make_data(self) -> None:
        programs = mariadb_programs()
        assert programs, "MariaDB is not installed"
        self._server, maker = programs
        self._run([
            maker, "--no-defaults", f"--datadir={self._folder}/data", "--auth-root-authentication-method=normal",
            "--skip-test-db", "--skip-name-resolve",
        ])  # fmt: skip
        rights = f"create user if not exists '{USER}'@'127.0.0.1' identified by '{PASSWORD}';"
        (self._folder / "rights.sql").write_text(f"{rights}\ngrant all on *.* to '{USER}'@'127.0.0.1';\n")

    def _command(self) -> Sequence[str]:
        return [
            self._server, "--no-defaults", f"--datadir={self._folder}/data", f"--socket={self._folder}/socket",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--init-file={self._folder}/rights.sql",
            f"--pid-file={self._folder}/pid", "--skip-name-resolve", "--max-connections=200",
            "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=16M",
        ]  # fmt: skip

    def _driven(self, url: str) -> str:
        return url.replace("mariadb://", "mariadb+pymysql://")
