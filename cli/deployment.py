"""First step of a deployment of containers: ``python -m cli.deployment FOLDER …`` writes what all others read.

Keys, certificates, the bus server's configuration, installation.json and the first access key; repeatable. With
--hand-out each container gets its part of them. With --store-url it also makes a single MongoDB member a replica set,
which the store needs for its transactions.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pymongo
import pymongo.errors

from cli.hand_out import hand_out
from cli.installation import DataFolder, Installation
from cli.root_credential import write_default_profile, write_root_credential
from shared.bus_server.installation import write_api_certificate, write_bus_configuration

_ALREADY_INITIALIZED = 23


def write_deployment(
    folder: DataFolder, *, listen: str, bus_host: str, advertise: str, api_listen: str, api_host: str, api_port: str
) -> None:
    """Write the files. bus_host and api_host: names of bus and gateway among the containers. advertise: HOST:PORT of
    the bus for sources; the API is reached under the same host, at the port that api_port ends with."""
    names = [bus_host, *([advertise.rpartition(":")[0]] if advertise else [])]
    files = write_bus_configuration(folder.path, listen=listen, names=names, now=datetime.now(UTC))
    advertised_host = advertise.rpartition(":")[0]
    api_names = [api_host, *([advertised_host] if advertised_host else [])]
    write_api_certificate(folder.path, listen=api_listen, names=api_names, now=datetime.now(UTC))
    local_bus_url = f"tls://{bus_host}:{listen.rpartition(':')[2]}"
    local_api_url = f"https://{api_host}:{api_listen.rpartition(':')[2]}"
    installation = Installation(
        bus_url=f"tls://{advertise}" if advertise else local_bus_url,
        local_bus_url=local_bus_url,
        bus_listen=listen,
        advertise=advertise,
        ca_file=files.ca_file,
        api_listen=api_listen,
        api_url=f"https://{advertised_host}:{api_port.rpartition(':')[2]}" if advertised_host else local_api_url,
        local_api_url=local_api_url,
    )
    folder.save_installation(installation)
    root = write_root_credential(folder, account=installation.account)
    write_default_profile(folder, root, endpoint=local_api_url, ca_file=files.ca_file)


def start_replica_set(store_url: str, *, member: str, timeout_s: float) -> None:
    """Make one mongod a replica set of one member, and wait until it takes writes. Repeatable."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with pymongo.MongoClient[dict[str, object]](
                store_url, directConnection=True, serverSelectionTimeoutMS=1000
            ) as client:
                _initiate(client, member)
                if client.admin.command("hello")["isWritablePrimary"]:
                    return
        except pymongo.errors.PyMongoError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{member} is no replica set after {timeout_s:.0f} s: {error}") from error
        time.sleep(0.2)


def _initiate(client: pymongo.MongoClient[dict[str, object]], member: str) -> None:
    members = [{"_id": 0, "host": member}]
    try:
        client.admin.command("replSetInitiate", {"_id": "sms", "members": members})
    except pymongo.errors.OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cli.deployment", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--listen", default="0.0.0.0:4222")
    parser.add_argument("--bus-host", default="nats")
    parser.add_argument("--api-listen", default="0.0.0.0:8443")
    parser.add_argument("--api-host", default="gateway")
    parser.add_argument("--api-port", default="8443", help="[ADDRESS:]PORT at which the API is published")
    parser.add_argument("--hand-out", type=Path, help="folder with a folder for each container")
    parser.add_argument("--advertise", default="", help="HOST:PORT under which sources reach the bus")
    parser.add_argument("--store-url", default="")
    parser.add_argument("--store-member", default="mongo:27017")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for the store")
    chosen = parser.parse_args(arguments)
    folder = DataFolder.at(chosen.folder)
    write_deployment(
        folder,
        listen=chosen.listen,
        bus_host=chosen.bus_host,
        advertise=chosen.advertise,
        api_listen=chosen.api_listen,
        api_host=chosen.api_host,
        api_port=chosen.api_port,
    )
    if chosen.hand_out:
        hand_out(folder, chosen.hand_out)
    if chosen.store_url:
        start_replica_set(chosen.store_url, member=chosen.store_member, timeout_s=chosen.timeout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
