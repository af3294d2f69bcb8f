"""What can go wrong when a target machine is started from a launch layer."""

from contracts.errors.code import ErrorCode

LAUNCH_BOOT_LOADER = ErrorCode(
    code="SMS.LAUNCH.BOOT_LOADER",
    is_resumable=True,
    cause="The target found no working boot loader after {seconds} s; its console says: {console_line}",
    remedy="The replica is untouched. Read the console log {console_log}; then launch again from the same point, "
    "which makes a new launch layer and writes the boot loader anew.",
)
LAUNCH_NO_ROOT = ErrorCode(
    code="SMS.LAUNCH.NO_ROOT",
    is_resumable=True,
    cause="The target's kernel did not find its root file system after {seconds} s; its console says: {console_line}",
    remedy="The replica is untouched. Compare root= and the disk drivers of the initramfs with the console log "
    "{console_log}; then launch again from the same point.",
)
LAUNCH_EMERGENCY_MODE = ErrorCode(
    code="SMS.LAUNCH.EMERGENCY_MODE",
    is_resumable=True,
    cause="The target stopped in emergency mode after {seconds} s; its console says: {console_line}",
    remedy="Most often a line of /etc/fstab names a device that the target does not have: find the failed mount in "
    "{console_log}, correct it on the source or exclude it, synchronise and launch again.",
)
LAUNCH_KERNEL_PANIC = ErrorCode(
    code="SMS.LAUNCH.KERNEL_PANIC",
    is_resumable=True,
    cause="The target's kernel panicked after {seconds} s; its console says: {console_line}",
    remedy="The replica is untouched. Read the lines before the panic in {console_log}, then launch again from the "
    "same point.",
)
LAUNCH_TIMEOUT = ErrorCode(
    code="SMS.LAUNCH.TIMEOUT",
    is_resumable=True,
    cause="The target was not healthy within {timeout_s} s ({waited_for}); its console ends with: {console_line}",
    remedy="Read the console log {console_log}. If the machine is only slow, launch again with a longer health "
    "check time-out; the replica is untouched.",
)
LAUNCH_STOPPED = ErrorCode(
    code="SMS.LAUNCH.STOPPED",
    is_resumable=True,
    cause="The target's machine ended by itself after {seconds} s; its console ends with: {console_line}",
    remedy="Read the console log {console_log} and QEMU's own messages in {machine_log}; then launch again from the "
    "same point.",
)
LAUNCH_NO_FIRMWARE = ErrorCode(
    code="SMS.LAUNCH.NO_FIRMWARE",
    is_resumable=True,
    cause="The target boots by UEFI, and this host has no UEFI firmware for QEMU (looked for {path}).",
    remedy="Install the firmware (Debian and Ubuntu: apt-get install ovmf), then launch again.",
)
