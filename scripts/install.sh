#!/usr/bin/env bash
# Install what SMS needs: system packages, a virtual environment from requirements.lock, and the `sms` command.
# Says once which system packages it adds. Does nothing when all of it is up to date.
# --with-docker: also a container engine and docker-compose, for `make compose-test`.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    qemu-system-x86 qemu-utils debootstrap rsync openssh-server openssh-client
    xfsprogs btrfs-progs e2fsprogs dosfstools mtools fdisk gdisk squashfs-tools grub-pc-bin grub2-common ovmf
    python3.11 python3.11-venv libpython3.11 patchelf binutils gcc libc6-dev
    ntfs-3g libhivex-bin lvm2 partclone attr acl iproute2 kmod cpio zstd libcurl4 make ca-certificates
)
if [[ "${1:-}" == --with-docker ]]; then
    packages+=(docker.io docker-compose)
fi

# Newer Ubuntu releases renamed libraries for 64-bit times (libcurl4 became libcurl4t64).
is_installed() {
    # The whole line: a package that dpkg only knows of is "not-installed".
    [[ $'\n'"$(dpkg-query -W -f='${db:Status-Status}\n' "$1" "$1t64" 2>/dev/null)"$'\n' == *$'\ninstalled\n'* ]]
}

# A release without Python 3.11 of its own may still have one from elsewhere on PATH.
can_do_without() {
    [[ "$1" == *python3.11* ]] && command -v python3.11 >/dev/null && ! apt-cache show "$1" >/dev/null 2>&1
}

install_system_packages() {
    local missing=() package as_root=()
    for package in "${packages[@]}"; do
        is_installed "$package" || can_do_without "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ! command -v apt-get >/dev/null; then
        echo "These programs are needed, and only apt is known here: ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing system packages: ${missing[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || { echo "Run this as root, or install sudo." >&2; exit 1; }
        as_root=(sudo)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update >/dev/null
    "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

find_python() {
    # Debian's own interpreter first: the one-file agent cannot be packed with one that has a RUNPATH.
    local candidate
    for candidate in /usr/bin/python3.11 "$(command -v python3.11 || true)"; do
        if [[ -x "$candidate" ]] && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 with its venv module is needed and was not found." >&2
    exit 1
}

install_environment() {
    local python lock_stamp project_stamp
    lock_stamp="$(sha256sum requirements.lock)"
    project_stamp="$(sha256sum pyproject.toml) $PWD"
    if [[ ! -x .venv/bin/python || "$(cat .venv/.locked 2>/dev/null)" != "$lock_stamp" ]]; then
        python="$(find_python)"
        echo "Installing Python packages into .venv from requirements.lock ($python)"
        [[ -x .venv/bin/python ]] || "$python" -m venv .venv
        .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
            --require-hashes --requirement requirements.lock
        echo "$lock_stamp" >.venv/.locked
    fi
    if [[ ! -x .venv/bin/sms || "$(cat .venv/.project 2>/dev/null)" != "$project_stamp" ]]; then
        .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input \
            --no-deps --no-build-isolation --editable .
        echo "$project_stamp" >.venv/.project
    fi
}

# What the agents do for each file; without these libraries the same is done by the interpreter.
compile_parts() {
    local source library
    while IFS= read -r source; do
        library="${source%/*}/lib$(basename "$source" .c).so"
        [[ $library -nt $source ]] && continue
        gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$library.new" "$source"
        mv "$library.new" "$library"
    done < <(find agents -name '*.c')
}

# Two `make` in one folder must not install into the same environment at once.
exec 9<requirements.lock
flock 9
install_system_packages
install_environment
compile_parts
