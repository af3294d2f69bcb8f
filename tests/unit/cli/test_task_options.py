"""`--option KEY=VALUE` of `sms task create`."""

from __future__ import annotations

import pytest

from cli.task_options import HELP, parse_options
from contracts.errors import MigrationError
from contracts.messages.target_provisioner import HealthCheck, PortForward


def test_options_become_a_tasks_options() -> None:
    options = parse_options(
        [
            "exclude=/var/cache",
            "exclude=/tmp",
            "rate-limit=1.5M",
            "disk.sda.size=40G",
            "partition.sda1.size=30G",
            "forward=8080:80",
            "forward=22",
            "health.port=80",
            "health.path=/ready?deep=1",
            "health.timeout=60",
            "cpus=4",
            "memory=2G",
            "rehearse=rounds",
            "identity=new",
        ]
    )
    assert options.excludes == ("/var/cache", "/tmp")
    assert options.rate_limit_bit_s == 1_500_000
    assert options.layout_options == {"disk.sda.size": "40G", "partition.sda1.size": "30G"}
    assert options.forwards == (PortForward(target_port=80, host_port=8080), PortForward(target_port=22))
    assert options.health_check == HealthCheck(tcp_port=80, http_path="/ready?deep=1", timeout_s=60)
    assert options.rehearses_rounds
    assert options.identity == "new"
    assert options.cpu_count == 4
    assert options.memory_bytes == 2 << 30


@pytest.mark.parametrize(
    "text",
    [
        *("exclude", "exclude=relative", "nonsense=1", "rate-limit=fast", "forward=99999", "forward=a:b"),
        *("helper=cloud", "rehearse=daily", "identity=other"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(MigrationError) as refused:
        parse_options([text])
    assert refused.value.code == "SMS.CLI.USAGE"
    assert text in refused.value.failure.cause


@pytest.mark.parametrize("text", ["rehearse=rounds", "helper=vm", "identity=new"])
def test_the_help_says_which_words_an_option_takes(text: str) -> None:
    assert f"{text} (" in HELP
