"""A full disk under the commit log: writers are told, readers go on, nothing is lost."""

import os
import subprocess
import time

from support import wire
from support.case import Skip, case
from support.cluster import Cluster
from support.process import wait_until

DISK_MIB = 160
RESERVE_MIB = 24


class SmallDisk(Cluster):
    """A cluster whose commit log lives on a small file system of its own."""

    def __init__(self, context):
        if os.getuid() != 0:
            raise Skip("only root can mount a small file system")
        self.mount = os.path.join(context.work_dir, "small-disk")
        os.makedirs(self.mount, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs",
                               self.mount], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f"mount: {done.stderr.strip()}")
        self.filler = os.path.join(self.mount, "filler")
        try:
            super().__init__(context, data_dir=os.path.join(self.mount, "log"), settings={
                "commit": {"disk_free_bytes_min": RESERVE_MIB << 20}})
        except BaseException:
            self._unmount()
            raise

    def close(self, keep=False):
        try:
            super().close(keep)
        finally:
            self._unmount()

    def _unmount(self):
        subprocess.run(["umount", "-l", self.mount], check=False)

    def free_bytes(self):
        state = os.statvfs(self.mount)
        return state.f_bavail * state.f_frsize

    def fill(self, leave):
        """Takes space until only `leave` bytes are free."""
        with open(self.filler, "ab") as file:
            while self.free_bytes() > leave:
                try:
                    file.write(b"\0" * min(1 << 20, self.free_bytes() - leave))
                    file.flush()
                except OSError:
                    break

    def empty(self):
        os.unlink(self.filler)


def setup(context):
    return SmallDisk(context)


@case(seconds=60)
def low_space_refuses_writers(_context, cluster):
    """Below disk_free_bytes_min commits get a clear error; reads go on; space heals it."""
    table = cluster.table("id INT PRIMARY KEY, v LONGBLOB")
    cluster.sql(f"INSERT INTO {table} VALUES (1, 'before')")
    cluster.fill((RESERVE_MIB // 2) << 20)

    with cluster.connect() as client:
        refusal = None
        for number in range(2, 60):
            try:
                client.query(f"INSERT INTO {table} VALUES ({number}, 'x')")
            except wire.ServerError as error:
                refusal = error
                break
            time.sleep(0.1)
        assert refusal is not None, "commits went on without space"
        assert refusal.code != 1213, f"not a conflict: {refusal}"
        assert any(word in refusal.message.lower() for word in ("disk", "space", "full")), refusal
        assert int(client.value(f"SELECT COUNT(*) FROM {table}")) >= 1
        cluster.empty()

        def writes_again():
            try:
                client.query(f"INSERT INTO {table} VALUES (100, 'after')")
                return True
            except wire.ServerError:
                return False

        wait_until(writes_again, 20, "writes go on when there is space again")
    cluster.assert_identical()


@case(seconds=60)
def no_space_at_all(_context, cluster):
    """The disk fills up completely under the log: at worst Consort ends; nothing acknowledged is
    lost and the servers stay equal after a restart."""
    cluster.consort.stop()
    cluster.consort.config["commit"]["disk_free_bytes_min"] = 0
    cluster.consort.write_config()
    cluster.consort.start()
    table = cluster.table("id INT PRIMARY KEY, v LONGBLOB")
    cluster.fill(1 << 20)
    acknowledged, told = [], "no error"
    client = cluster.connect(timeout=20)
    try:
        for number in range(200):
            client.query(f"INSERT INTO {table} VALUES ({number}, REPEAT('x', 200000))")
            acknowledged.append(number)
    except wire.ServerError as error:
        told = str(error)
        assert error.code != 1213, error
    except (wire.Closed, OSError) as error:
        told = f"Consort ended: {error}"
    client.close()
    cluster.empty()
    if not cluster.consort.running:
        cluster.consort.kill()  # reaps it
        cluster.consort.start()
    cluster.assert_identical()
    rows = {row[0] for row in cluster.servers[0].query(f"SELECT id FROM test.{table}")}
    assert set(acknowledged) <= rows, f"lost: {sorted(set(acknowledged) - rows)[:10]}"
    cluster.sql(f"INSERT INTO {table} VALUES (1000, 'after')")
    return f"{len(acknowledged)} commits, then {told[:100]}"
