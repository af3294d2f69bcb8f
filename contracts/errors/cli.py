"""What can go wrong at the command line and in the all-in-one."""

from contracts.errors.code import ErrorCode

NOT_INSTALLED = ErrorCode(
    code="SMS.CLI.NOT_INSTALLED",
    exit_code=3,
    http_status=404,
    cause="There is no installation in {folder}.",
    remedy="Start one with `sms up --data {folder}`, or name the right folder by --data or SMS_DATA.",
)
NOT_READABLE = ErrorCode(
    code="SMS.CLI.NOT_READABLE",
    exit_code=5,
    http_status=403,
    cause="{path} cannot be read: {reason}.",
    remedy="Use the user that ran `sms up`; if the file is damaged, run `sms down` and `sms up`, which write it anew.",
)
ALREADY_RUNNING = ErrorCode(
    code="SMS.CLI.ALREADY_RUNNING",
    exit_code=4,
    cause="SMS runs already in {folder} (process {pid}).",
    remedy="Use it as it is (`sms status`), or stop it first with `sms down`.",
)
NOT_HEALTHY = ErrorCode(
    code="SMS.CLI.NOT_HEALTHY",
    exit_code=6,
    http_status=503,
    cause="After {seconds} s these are not healthy: {names}. The last lines of the first one's log: {log_tail}",
    remedy="Read the log in {log_file}, correct the cause, then `sms down` and `sms up` again.",
)
PROGRAM_MISSING = ErrorCode(
    code="SMS.CLI.PROGRAM_MISSING",
    exit_code=6,
    http_status=503,
    cause="The program {program} was not found.",
    remedy="Run `make install`, or name another one by {setting}.",
)
ADDRESS_TAKEN = ErrorCode(
    code="SMS.CLI.ADDRESS_TAKEN",
    exit_code=4,
    cause="The address {address} cannot be used: {reason}.",
    remedy="Choose another with {option}, or stop the program that holds it.",
)
NO_ANSWER = ErrorCode(
    code="SMS.CLI.NO_ANSWER",
    exit_code=6,
    http_status=503,
    cause="{service} did not answer {request} within {seconds} s.",
    remedy="Look at `sms status` and at the log of {service}. A service that was killed is back within seconds: "
    "try again.",
)
BUS_UNREACHABLE = ErrorCode(
    code="SMS.CLI.BUS_UNREACHABLE",
    exit_code=6,
    http_status=503,
    cause="The bus at {url} cannot be reached: {reason}.",
    remedy="Look at `sms status`; start SMS with `sms up --data {folder}` if it is down.",
)
API_UNREACHABLE = ErrorCode(
    code="SMS.CLI.API_UNREACHABLE",
    exit_code=6,
    http_status=503,
    cause="The API at {url} cannot be reached: {reason}.",
    remedy="On its own machine look at `sms status`, and start SMS with `sms up` if it is down. From another machine "
    "check the address (`sms profile show`, --endpoint) and what is between the two.",
)
NOT_TRUSTED = ErrorCode(
    code="SMS.CLI.NOT_TRUSTED",
    exit_code=5,
    http_status=403,
    cause="The server at {url} is not trusted: {reason}. Nothing was sent to it.",
    remedy="Name the installation's own authority as ca_file of the profile (`sms status` on its machine says where "
    "it is: {ca_file} was used), and the host as `sms up --advertise` has it.",
)
NO_PROFILE = ErrorCode(
    code="SMS.CLI.NO_PROFILE",
    exit_code=3,
    http_status=404,
    cause="There is no file {path}.",
    remedy="See `sms profile list`, or make one with `sms profile add`. A data folder of an earlier version gets its "
    "profile by `sms down` and `sms up`.",
)
PROFILE_EXPOSED = ErrorCode(
    code="SMS.CLI.PROFILE_EXPOSED",
    exit_code=5,
    http_status=403,
    cause="{path} holds a secret key, and others can read it (mode {mode}).",
    remedy="Take it from them with `chmod 600 {path}`. If others have read it, make a new access key and disable this.",
)
PROFILE_UNREADABLE = ErrorCode(
    code="SMS.CLI.PROFILE_UNREADABLE",
    exit_code=5,
    http_status=403,
    cause="{path} cannot be used: {reason}.",
    remedy="Write it anew with `sms profile add --replace`.",
)
PROFILE_EXISTS = ErrorCode(
    code="SMS.CLI.PROFILE_EXISTS",
    exit_code=4,
    cause="There is a profile {name} already, for {endpoint}.",
    remedy="Choose another name, or give --replace.",
)
NOT_UNDERSTOOD = ErrorCode(
    code="SMS.CLI.NOT_UNDERSTOOD",
    exit_code=1,
    http_status=502,
    cause="{service} answered {request} with {answer}, which this command line does not know.",
    remedy="Command line and services are of different versions: run `make install`, then `sms down` and `sms up`.",
)
USAGE = ErrorCode(
    code="SMS.CLI.USAGE",
    exit_code=2,
    http_status=400,
    cause="{reason}",
    remedy="See `{command} --help`.",
)
NO_CONSENT = ErrorCode(
    code="SMS.CLI.NO_CONSENT",
    exit_code=4,
    cause="Nothing was started: the disks that will be wiped were not agreed to.",
    remedy="Read the list, then answer yes, or give --yes.",
)
TASK_ENDED_EARLY = ErrorCode(
    code="SMS.CLI.TASK_ENDED_EARLY",
    exit_code=4,
    cause="Task {task_id} is {phase} and will not reach {wanted}.",
    remedy="Look at `sms task show {task_id}`.",
)
INTERNAL = ErrorCode(
    code="SMS.CLI.INTERNAL",
    exit_code=1,
    http_status=500,
    cause="The command line met a failure that it does not know: {kind}.",
    remedy="The details are in {log_file}; please report them.",
)
