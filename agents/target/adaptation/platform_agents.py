"""Which services belong to a cloud, a hypervisor or the hardware that a system leaves behind.

Names as the vendors' packages install them. A system keeps the packages; only their services stay off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class PlatformAgent:
    """units: systemd's, with suffix; wildcards as in the shell. jobs: names of init scripts and Upstart jobs.

    cron_files: tables that hold nothing but the agent's own lines. udev_rules: names of files of rules.
    """

    platform: str
    units: tuple[str, ...]
    jobs: tuple[str, ...] = ()
    cron_files: tuple[str, ...] = ()
    udev_rules: tuple[str, ...] = ()


PLATFORM_AGENTS: Final = (
    PlatformAgent(
        "Azure",
        ("waagent.service", "walinuxagent.service", "walinuxagent-network-setup.service"),
        ("waagent", "walinuxagent"),
    ),
    PlatformAgent(
        "Google Cloud",
        (
            *(
                "google-guest-agent.service",
                "google-guest-agent-manager.service",
                "google-guest-compat-manager.service",
            ),
            *("google-osconfig-agent.service", "google-startup-scripts.service", "google-shutdown-scripts.service"),
            *("google-accounts-daemon.service", "google-clock-skew-daemon.service", "google-instance-setup.service"),
            *("google-network-daemon.service", "google-network-setup.service", "google-ip-forwarding-daemon.service"),
            *("google-oslogin-cache.service", "google-oslogin-cache.timer"),
        ),
        (
            *("google-accounts-daemon", "google-clock-skew-daemon", "google-instance-setup", "google-network-daemon"),
            *("google-ip-forwarding-daemon", "google-startup-scripts", "google-shutdown-scripts"),
        ),
    ),
    PlatformAgent(
        "Amazon EC2",
        (
            *("amazon-ssm-agent.service", "snap.amazon-ssm-agent.*.service", "hibagent.service"),
            *("hibinit-agent.service", "ec2-instance-connect-harvest-hostkeys.service", "ec2net-ifup@.service"),
            *("elastic-network-interfaces.service", "policy-routes@.service"),
            *("refresh-policy-routes@.service", "refresh-policy-routes@.timer"),
        ),
        ("amazon-ssm-agent", "hibagent", "hibinit-agent", "elastic-network-interfaces"),
        # They name the network cards by what Amazon's metadata say.
        udev_rules=("53-ec2-network-interfaces.rules",),
    ),
    PlatformAgent(
        "Alibaba Cloud",
        (
            *("aegis.service", "aliyun.service", "aliyun-util.service", "AssistDaemon.service"),
            *("cloudmonitor.service", "CloudmonitorAgent.service", "ecs_mq-service.service"),
        ),
        ("aegis", "agentwatch", "aliyun-service", "aliyun-util", "cloudmonitor", "ecs_mq-service"),
    ),
    PlatformAgent(
        "Tencent Cloud",
        (
            *("tat_agent.service", "YDService.service", "YDLive.service", "ydservice.service"),
            *("stargate.service", "barad_agent.service"),
        ),
        ("tat_agent", "YDService", "ydservice", "stargate", "barad_agent"),
        ("/etc/cron.d/sgagenttask", "/etc/cron.d/yunjing"),
    ),
    PlatformAgent(
        "Oracle Cloud",
        (
            *("oracle-cloud-agent.service", "oracle-cloud-agent-updater.service"),
            *("snap.oracle-cloud-agent.*.service", "ocid.service"),
        ),
        ("oracle-cloud-agent", "ocid"),
    ),
    PlatformAgent(
        "Huawei Cloud",
        (
            *("hostguard.service", "uniagent.service", "uniagentd.service", "telescoped.service"),
            *("telescope.service", "cloudResetPwdAgent.service", "cloudResetPwdUpdateAgent.service"),
        ),
        ("hostguard", "uniagent", "uniagentd", "telescoped", "cloudResetPwdAgent", "cloudResetPwdUpdateAgent"),
    ),
    PlatformAgent(
        "VMware",
        (
            *("open-vm-tools.service", "vmtoolsd.service", "vgauth.service", "vgauthd.service"),
            *("vmware-tools.service", "vmware-tools-thinprint.service", r"run-vmblock\x2dfuse.mount"),
        ),
        ("open-vm-tools", "vmware-tools", "vmware-tools-thinprint"),
    ),
    PlatformAgent(
        "VirtualBox",
        (
            *("vboxadd.service", "vboxadd-service.service", "vboxadd-x11.service"),
            *("virtualbox-guest-utils.service", "vboxservice.service"),
        ),
        ("vboxadd", "vboxadd-service", "vboxadd-x11", "virtualbox-guest-utils"),
    ),
    PlatformAgent(
        "Xen",
        ("xe-daemon.service", "xe-linux-distribution.service"),
        ("xe-daemon", "xe-linux-distribution"),
    ),
    PlatformAgent(
        "Hyper-V",
        (
            *(
                "hv-kvp-daemon.service",
                "hv-vss-daemon.service",
                "hv-fcopy-daemon.service",
                "hv-fcopy-uio-daemon.service",
            ),
            *("hypervkvpd.service", "hypervvssd.service", "hypervfcopyd.service"),
        ),
        ("hv_kvp_daemon", "hv_vss_daemon", "hv_fcopy_daemon", "hv-kvp-daemon", "hv-vss-daemon", "hv-fcopy-daemon"),
    ),
    PlatformAgent(
        "Parallels",
        ("prltoolsd.service", "prltools.service"),
        ("prltoolsd", "prltools", "prl-x11", "prltools_updater"),
    ),
    PlatformAgent(
        "disk and server hardware",
        (
            *("smartd.service", "smartmontools.service", "multipathd.service", "multipathd.socket"),
            *("multipath-tools.service", "hp-health.service", "hp-asrd.service", "hp-snmp-agents.service"),
            *("hpsmhd.service", "smad.service", "amsd.service", "dsm_sa_datamgrd.service", "dsm_om_connsvc.service"),
            *("dataeng.service", "instsvcdrv.service", "vivaldiframeworkd.service", "lsi_mrdsnmpd.service"),
        ),
        (
            *("smartd", "smartmontools", "multipathd", "multipath-tools", "multipath-tools-boot", "hp-health"),
            *("hp-asrd", "hp-snmp-agents", "hpsmhd", "dataeng", "instsvcdrv", "vivaldiframeworkd", "lsi_mrdsnmpd"),
        ),
    ),
)
