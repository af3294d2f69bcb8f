"""Applications are found by their files, in trees that hold nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.source.inventory.applications import read_applications
from agents.source.inventory.system_tree import SystemTree
from contracts.inventory import Application

FOUND = [
    ("/etc/mysql/conf.d/galera.cnf", 'wsrep_cluster_address = "gcomm://10.0.0.1,10.0.0.2"', "cluster_database", 2),
    ("/etc/my.cnf.d/server.cnf", "wsrep-cluster-address=gcomm://db1,db2,db3?pc.wait_prim=no", "cluster_database", 3),
    ("/etc/my.cnf", "loose-group_replication_group_seeds= 's1:33061,s2:33061'", "cluster_database", 2),
    ("/etc/my.cnf", "ndb-connectstring=10.0.0.9", "cluster_database", 2),
    ("/etc/oracle/ocr.loc", "ocrconfig_loc=+DATA\nLOCAL_ONLY=FALSE\n", "cluster_database", 2),
    ("/etc/mongod.conf", "replication:\n  replSetName: rs0\n", "cluster_database", 0),
    ("/var/lib/postgresql/15/main/standby.signal", "", "cluster_database", 2),
    ("/var/lib/pgsql/data/recovery.conf", "standby_mode = 'on'", "cluster_database", 2),
    ("/etc/cassandra/cassandra.yaml", '      - seeds: "10.0.0.1,10.0.0.2"', "cluster_database", 2),
    ("/etc/elasticsearch/elasticsearch.yml", 'discovery.seed_hosts: ["a", "b"]', "cluster_database", 2),
    ("/etc/redis/redis.conf", "replicaof 10.0.0.1 6379", "cluster_database", 2),
    ("/etc/default/etcd", 'ETCD_INITIAL_CLUSTER="a=http://a:2380,b=http://b:2380"', "cluster_database", 2),
    (
        "/etc/samba/smb.conf",
        "realm = CORP.EXAMPLE\nserver role = active directory domain controller",
        "directory_service",
        0,
    ),
    ("/etc/sssd/sssd.conf", "id_provider = ad\nad_domain = corp.example", "domain_member", 0),
    ("/etc/samba/smb.conf", "security = ADS\nrealm = CORP.EXAMPLE", "domain_member", 0),
    ("/usr/sbin/hasplmd_x86_64", "", "hardware_bound", 0),
    ("/opt/cad/licenses/node.lic", "SERVER cad1 525400123456 27000", "hardware_bound", 0),
    ("/home/.ecryptfs/anna/.Private/file", "", "encrypted_files", 0),
]
PASSED_OVER = [
    ("/etc/mysql/conf.d/galera.cnf", "# wsrep_cluster_address = gcomm://10.0.0.1,10.0.0.2"),
    ("/etc/mysql/conf.d/galera.cnf", 'wsrep_cluster_address = "gcomm://"'),
    ("/etc/mongod.conf", "# replSetName: rs0"),
    ("/etc/redis/redis.conf", "# replicaof <masterip> <masterport>"),
    ("/etc/samba/smb.conf", "server role = standalone server\nsecurity = user"),
    ("/etc/sssd/sssd.conf", "id_provider = files"),
    ("/opt/cad/licenses/node.lic", "SERVER cad1 ANY 27000"),
    ("/var/lib/pgsql/data/recovery.conf", "restore_command = 'cp'"),
]


def found_in(root: Path, path: str, text: str) -> tuple[Application, ...]:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    with SystemTree(root) as tree:
        return read_applications(tree)


@pytest.mark.parametrize(("path", "text", "kind", "members"), FOUND)
def test_application_is_found_by_its_file(tmp_path: Path, path: str, text: str, kind: str, members: int) -> None:
    found = found_in(tmp_path, path, text)
    assert [(one.kind, one.members) for one in found] == [(kind, members)]
    assert found[0].evidence in path


@pytest.mark.parametrize(("path", "text"), PASSED_OVER)
def test_file_as_it_is_installed_tells_of_no_cluster_and_no_domain(tmp_path: Path, path: str, text: str) -> None:
    assert found_in(tmp_path, path, text) == ()


def test_domain_and_nodes_are_named(tmp_path: Path) -> None:
    member = found_in(tmp_path, "/etc/sssd/sssd.conf", "[domain/x]\nid_provider = ad\nad_domain = corp.example\n")
    assert member[0].detail == "corp.example"


def test_what_a_hostile_file_says_is_bounded(tmp_path: Path) -> None:
    found = found_in(tmp_path, "/etc/my.cnf", "wsrep_cluster_address=gcomm://" + "a," * 100_000)
    assert len(found[0].detail) <= 200
