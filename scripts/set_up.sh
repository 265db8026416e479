#!/usr/bin/env bash
# Make this checkout ready to work, one word a job:
#   packages  .venv with exactly what requirements.txt lists, and this project in it, its compiled reader built
#   servers   Dovecot; strace and mutt for the tests that trace system calls and open exported mail
#   rivals    the programs that benchmarks/ compares with
#   lock      requirements.txt anew from setup.cfg (UPGRADE=1: newest versions)
# Each may run any number of times and does nothing where nothing is missing. System packages come
# from apt where that is permitted (root, or sudo without a password); else one sentence says what to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# apt_install <what for> <package>…: install Debian packages, or say how to.
apt_install() {
    local purpose=$1 root=() policy=
    shift
    local hint="$purpose missing; install it with: apt-get install $*"
    command -v apt-get >/dev/null || fail "$hint (or what your system calls it)"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || fail "$hint"
        root=(sudo -n)
    fi
    say "Installing $* with apt-get"
    # Nobody asked for a mail server that runs: keep the package from starting one.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
        # shellcheck disable=SC2064  # expanded now, on purpose
        trap "${root[*]} rm -f $policy" EXIT
    fi
    local log
    log=$(mktemp)
    if ! { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        fail "apt-get did not succeed: $hint"
    fi
    rm -f "$log"
    if [ -n "$policy" ]; then
        "${root[@]}" rm -f "$policy"
        trap - EXIT
        # … nor one that starts with the next boot.
        if [ -d /run/systemd/system ] && [[ " $* " == *dovecot* ]]; then
            "${root[@]}" systemctl disable --quiet dovecot.service dovecot.socket 2>/dev/null || true
        fi
    fi
}

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.14 python3.11 python; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "Python 3.11 to 3.14 is missing; install it with: apt-get install python3 python3-venv"
}

find_uv() {
    if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then
        command -v uv
        return
    fi
    if [ ! -x .bootstrap/bin/uv ]; then
        rm -rf .bootstrap
        if ! "$1" -m venv .bootstrap >/dev/null 2>&1; then
            rm -rf .bootstrap
            apt_install "Python's venv module is" python3-venv
            "$1" -m venv .bootstrap >/dev/null || fail "Python's venv module does not work: $1 -m venv failed"
        fi
        say "Installing uv"
        .bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv >&2 ||
            fail "uv could not be installed from PyPI; is there a network? (or install uv yourself)"
    fi
    echo .bootstrap/bin/uv
}

# run_uv <uv> <argument>…: behind a proxy with its own certificates only the system's list of authorities
# helps, on a system that has none only uv's own: try one, then the other.
run_uv() {
    local uv=$1
    shift
    "$uv" "$@" 2>/dev/null || UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 "$uv" "$@"
}

# can_compile: whether the compiler that this Python was built with finds its headers.
can_compile() {
    local compiler
    compiler=$(.venv/bin/python -c 'if True:
        import os, sysconfig
        compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
        print(compiler, "-I" + sysconfig.get_path("include"))')
    # shellcheck disable=SC2086  # a command and its options
    printf '#include <Python.h>\n' | $compiler -fsyntax-only -x c - >/dev/null 2>&1
}

# compiler: what the compiled reader is built with; without it all works, more slowly.
compiler() {
    local python wanted=(gcc libc6-dev)
    python=$(.venv/bin/python -c 'import os, sys; print(os.path.realpath(sys.executable))')
    # The system's Python has its headers in a package of their own, others bring them along.
    [[ $python != /usr/bin/python3.* ]] || wanted+=("$(basename "$python")-dev")
    can_compile || (apt_install "A C compiler with Python's headers is" "${wanted[@]}") || true
}

packages() {
    local python uv
    python=$(find_python)
    uv=$(find_uv "$python")
    # A checkout that was moved, or whose Python went away, has a venv that only looks like one.
    if ! .venv/bin/python -c "import sys; sys.exit(sys.prefix != '$PWD/.venv')" 2>/dev/null; then
        say "Making .venv with $("$python" --version)"
        "$uv" venv --quiet --clear --python "$python" .venv
    fi
    say "Installing what requirements.txt lists (the first time this takes a minute)"
    run_uv "$uv" pip sync --quiet --python .venv/bin/python requirements.txt
    [ -n "${MAILROOM_PURE_PYTHON:-}" ] || compiler
    # What an earlier version of a source was compiled to would be taken for the present one.
    rm -f plugins/mailroom/*/compiled/*.so
    run_uv "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
    # An editable install leaves these beside the package, and Airflow would see the plugin twice.
    # (The compiled reader lies in the package itself, and stays.)
    rm -rf plugins/*.egg-info build
    [ -n "${MAILROOM_PURE_PYTHON:-}" ] || .venv/bin/python -c 'import mailroom.message.compiled.plain' 2>/dev/null ||
        say "Mail is read in pure Python here, which takes longer; to see why nothing was compiled:" \
            ".venv/bin/python setup.py build_ext --inplace"
    touch .venv/.set-up
}

has_dovecot() {
    command -v dovecot >/dev/null || return 1
    local folder
    for folder in /usr/lib/dovecot /usr/libexec/dovecot /usr/local/libexec/dovecot; do
        [ -x "$folder/imap" ] && [ -x "$folder/pop3" ] && return
    done
    return 1
}

servers() {
    has_dovecot || apt_install "The mail server Dovecot is" dovecot-imapd dovecot-pop3d
    # Only a few tests want these, and they say so when they are skipped.
    command -v strace >/dev/null || (apt_install "strace is" strace) || true
    command -v mutt >/dev/null || (apt_install "mutt is" mutt) || true
}

rivals() {
    local pair missing=()
    for pair in mbsync:isync mpop:mpop fdm:fdm getmail:getmail6; do
        command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} = 0 ] || apt_install "For comparison, ${missing[*]} is" "${missing[@]}"
}

lock() {
    local uv
    uv=$(find_uv "$(find_python)")
    run_uv "$uv" pip compile --quiet setup.cfg --extra dev --universal --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        ${UPGRADE:+--upgrade} --output-file requirements.txt
    say "requirements.txt lists $(grep -c == requirements.txt) packages"
}

case ${1:-} in
    packages | servers | rivals | lock) "$1" ;;
    *) fail "usage: $0 packages | servers | rivals | lock" ;;
esac
