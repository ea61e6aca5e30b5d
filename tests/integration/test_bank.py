"""A bank under 16 sessions on all homes, with crashes of backends and of Consort."""

import time

from support import bank
from support.case import case
from support.cluster import Cluster
from support.process import wait_until


class Bank(Cluster):
    """A cluster with the bank's tables."""

    def __init__(self, context):
        super().__init__(context, settings={"read_affinity": True})
        bank.create_tables(self)


def setup(context):
    return Bank(context)


def online(cluster):
    """True when Consort serves all servers."""
    try:
        return set(cluster.consort.backend_states().values()) == {"online"}
    except OSError:
        return False


def crash_backend(cluster, server, away_seconds):
    server.kill()
    time.sleep(away_seconds)
    server.start()
    wait_until(lambda: online(cluster), 30,
               lambda: f"{server.name} is online again: {cluster.consort.get('/backends')}")


def crash_consort(cluster):
    cluster.consort.kill()
    cluster.consort.start()


@case(seconds=120, soak_seconds=600)
def transfers_with_crashes(context, cluster):
    """Totals right in every read, promises kept, servers equal."""
    seconds, kills = context.pick((20, 4), (60, 20))
    load = bank.BankLoad(cluster, processes=bank.worker_count(), seed=context.seed).start()
    began = time.monotonic()
    victims = []
    for number in range(kills):
        # The kills spread over the whole time, at random moments.
        at = seconds * (number + context.random.random()) / kills
        time.sleep(max(0.0, began + at - time.monotonic()))
        victim = context.random.choice([*cluster.servers, cluster.consort])
        if number == 0:
            victim = cluster.consort
        if number == 1:
            victim = context.random.choice(cluster.servers)
        victims.append("consort" if victim is cluster.consort else victim.name)
        print(f"{time.monotonic() - began:.1f} s: kill {victims[-1]}", flush=True)
        if victim is cluster.consort:
            crash_consort(cluster)
        else:
            crash_backend(cluster, victim, context.random.uniform(0.0, 1.0))
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    outcome = load.stop()
    cluster.assert_identical()
    told = bank.verify(cluster, [outcome])
    assert len(outcome["acknowledged"]) > 100, f"hardly any work was done: {told}"
    if "consort" not in victims:
        assert not outcome["closed"], f"connections were lost: {outcome['closed'][:5]}"
    return f"{told}; killed {', '.join(victims)}"


@case(seconds=60, soak_seconds=600)
def lost_backends_never_end_a_connection(context, cluster):
    """Backends crash in turn; clients see 1213 at most, no lost connection, no other error."""
    load = bank.BankLoad(cluster, processes=2, sessions=8, seed=context.seed, first_number=101)
    load.start()
    for server in cluster.servers * context.pick(1, 5):
        time.sleep(context.random.uniform(0.3, 0.8))
        crash_backend(cluster, server, context.random.uniform(0.0, 0.5))
    time.sleep(0.5)
    outcome = load.stop()
    cluster.assert_identical()
    told = bank.verify(cluster, [outcome])
    assert not outcome["closed"], f"connections were lost: {outcome['closed'][:5]}"
    return told


