"""Applications that a migration must know of, found by the files that they leave: no program is asked."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agents.source.inventory.system_tree import SystemTree
from contracts.inventory import Application, ApplicationKind

# A hostile tree may hold any number of files under a pattern.
_MOST_FILES: Final = 64
_LONGEST_DETAIL: Final = 200

_MYSQL: Final = (
    "/etc/my.cnf",
    "/etc/my.cnf.d/*.cnf",
    "/etc/mysql/my.cnf",
    "/etc/mysql/conf.d/*.cnf",
    "/etc/mysql/mysql.conf.d/*.cnf",
    "/etc/mysql/mariadb.conf.d/*.cnf",
)
_POSTGRESQL: Final = ("/var/lib/postgresql/*/main", "/var/lib/pgsql/data", "/var/lib/pgsql/*/data")
_SAMBA: Final = ("/etc/samba/smb.conf",)
_SSSD: Final = ("/etc/sssd/sssd.conf", "/etc/sssd/conf.d/*.conf")


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """How an application shows. pattern: what a line of the files must hold, "" when it is enough that one exists;
    its group, if any, lists the members (several databases) or names the domain. detail_pattern: another line of
    the same file that says more. several: the line alone proves that there is more than one node."""

    kind: ApplicationKind
    name: str
    files: tuple[str, ...]
    pattern: str = ""
    detail_pattern: str = ""
    several: bool = False


_SIGNS: Final = (
    _Sign(
        kind="cluster_database",
        name="Galera cluster (MySQL, MariaDB)",
        files=_MYSQL,
        pattern=r"^\s*wsrep[_-]cluster[_-]address\s*=\s*[\"']?gcomm://([^\"'\s?]+)",
    ),
    _Sign(
        kind="cluster_database",
        name="MySQL group replication",
        files=_MYSQL,
        pattern=r"^\s*(?:loose[_-])?group[_-]replication[_-]group[_-]seeds\s*=\s*[\"']?([^\"'\n]+)",
    ),
    _Sign(
        kind="cluster_database",
        name="MySQL NDB cluster",
        files=_MYSQL,
        pattern=r"^\s*ndb[_-]connectstring\s*=\s*(\S+)",
        several=True,
    ),
    _Sign(
        kind="cluster_database",
        name="Oracle Real Application Clusters",
        files=("/etc/oracle/ocr.loc", "/var/opt/oracle/ocr.loc"),
        pattern=r"(?i)^\s*local_only\s*=\s*false",
        several=True,
    ),
    _Sign(
        kind="cluster_database",
        name="MongoDB replica set",
        files=("/etc/mongod.conf", "/etc/mongodb.conf"),
        pattern=r"^\s*(?:replSetName\s*:|replSet\s*=)\s*[\"']?([\w.-]+)",
    ),
    _Sign(
        kind="cluster_database",
        name="PostgreSQL standby",
        files=tuple(f"{folder}/standby.signal" for folder in _POSTGRESQL),
        several=True,
    ),
    _Sign(
        kind="cluster_database",
        name="PostgreSQL standby",
        files=tuple(f"{folder}/recovery.conf" for folder in _POSTGRESQL),
        pattern=r"^\s*standby_mode\s*=\s*'?on",
        several=True,
    ),
    _Sign(
        kind="cluster_database",
        name="Patroni (PostgreSQL)",
        files=("/etc/patroni.yml", "/etc/patroni/*.yml"),
        pattern=r"^\s*scope\s*:\s*(\S+)",
    ),
    _Sign(
        kind="cluster_database",
        name="Cassandra",
        files=("/etc/cassandra/cassandra.yaml", "/etc/cassandra/conf/cassandra.yaml"),
        pattern=r"^\s*-\s*seeds\s*:\s*[\"']?([^\"'\n]+)",
    ),
    _Sign(
        kind="cluster_database",
        name="Elasticsearch or OpenSearch",
        files=("/etc/elasticsearch/elasticsearch.yml", "/etc/opensearch/opensearch.yml"),
        pattern=r"^\s*discovery\.seed_hosts\s*:\s*\[([^\]]+)\]",
    ),
    _Sign(
        kind="cluster_database",
        name="Redis cluster",
        files=("/etc/redis.conf", "/etc/redis/*.conf"),
        pattern=r"^\s*cluster-enabled\s+yes",
        several=True,
    ),
    _Sign(
        kind="cluster_database",
        name="Redis replica",
        files=("/etc/redis.conf", "/etc/redis/*.conf"),
        pattern=r"^\s*(?:replicaof|slaveof)\s+(\S+)\s+\d+",
        several=True,
    ),
    _Sign(
        kind="cluster_database",
        name="etcd",
        files=("/etc/default/etcd", "/etc/etcd/etcd.conf"),
        pattern=r"^\s*ETCD_INITIAL_CLUSTER\s*=\s*[\"']?([^\"'\n]+)",
    ),
    _Sign(
        kind="directory_service",
        name="Samba as an Active Directory domain controller",
        files=_SAMBA,
        pattern=r"(?i)^\s*server role\s*=\s*active directory domain controller",
        detail_pattern=r"(?i)^\s*realm\s*=\s*(\S+)",
    ),
    _Sign(
        kind="domain_member",
        name="SSSD",
        files=_SSSD,
        pattern=r"^\s*id_provider\s*=\s*(?:ad|ipa)\s*$",
        detail_pattern=r"^\s*(?:ad_domain|ipa_domain)\s*=\s*(\S+)",
    ),
    _Sign(
        kind="domain_member",
        name="Winbind",
        files=_SAMBA,
        pattern=r"(?i)^\s*security\s*=\s*(?:ads|domain)\s*$",
        detail_pattern=r"(?i)^\s*realm\s*=\s*(\S+)",
    ),
    _Sign(kind="domain_member", name="Centrify", files=("/etc/centrifydc/centrifydc.conf",)),
    _Sign(
        kind="hardware_bound",
        name="Sentinel or HASP licence key",
        files=("/usr/sbin/hasplmd*", "/usr/sbin/aksusbd*", "/etc/udev/rules.d/*-hasp.rules"),
    ),
    _Sign(
        kind="hardware_bound",
        name="CodeMeter licence key",
        files=("/usr/sbin/CodeMeterLin", "/etc/wibu/CodeMeter/Server.ini"),
    ),
    _Sign(kind="hardware_bound", name="Luna security module", files=("/etc/Chrystoki.conf",)),
    _Sign(kind="hardware_bound", name="nShield security module", files=("/opt/nfast/bin/nfkminfo",)),
    _Sign(
        kind="hardware_bound",
        name="FlexNet licence for one network card",
        files=("/etc/flexlm/*.lic", "/usr/local/flexlm/licenses/*", "/opt/flexlm/*.lic", "/opt/*/licenses/*.lic"),
        pattern=r"^SERVER\s+\S+\s+((?:[0-9A-Fa-f]{2}[:-]?){6})\b",
    ),
    _Sign(kind="encrypted_files", name="eCryptfs home folders", files=("/home/.ecryptfs/*",)),
)


def read_applications(tree: SystemTree) -> tuple[Application, ...]:
    """Each application once, by the first file that tells it. Reads a few configuration files only."""
    found: dict[tuple[ApplicationKind, str], Application] = {}
    for sign in _SIGNS:
        application = _look_for(tree, sign)
        if application is not None:
            found.setdefault((sign.kind, sign.name), application)
    return tuple(found.values())


def _look_for(tree: SystemTree, sign: _Sign) -> Application | None:
    for path in (path for pattern in sign.files for path in _matching(tree, pattern)):
        if not sign.pattern:
            return Application(kind=sign.kind, name=sign.name, evidence=path, members=2 if sign.several else 0)
        text = tree.read_text(path)
        line = re.search(sign.pattern, text, re.MULTILINE)
        if line is None:
            continue
        said = line.group(1).strip() if line.re.groups else ""
        more = re.search(sign.detail_pattern, text, re.MULTILINE) if sign.detail_pattern else None
        return Application(
            kind=sign.kind,
            name=sign.name,
            detail=(more.group(1) if more else said)[:_LONGEST_DETAIL],
            evidence=path,
            members=_members(sign, said),
        )
    return None


def _members(sign: _Sign, listed: str) -> int:
    if sign.kind != "cluster_database":
        return 0
    named = [part for part in re.split(r"[,\s]+", listed) if part]
    # A name alone (a replica set's, a scope) does not tell how many nodes there are.
    return max(len(named), 2) if sign.several else len(named) if len(named) > 1 else 0


def _matching(tree: SystemTree, pattern: str) -> Iterator[str]:
    """Existing paths of a pattern whose parts may hold ``*``, in the order of their names."""
    paths = [""]
    for part in pattern.strip("/").split("/"):
        if "*" not in part:
            paths = [f"{path}/{part}" for path in paths]
            continue
        paths = [
            f"{path}/{name}" for path in paths for name in tree.names(path or "/") if fnmatch.fnmatchcase(name, part)
        ][:_MOST_FILES]
    return (path for path in paths if tree.stat(path) is not None)
